#include "core/distillation/method.h"

#include <algorithm>

namespace reviewkd {

LossShare LossShare::from(const Options& options) {
  LossShare share;
  options.read("weight", share.weight);
  options.read("warmupEpochs", share.warmup_epochs);
  options.read("warmupFrom", share.warmup_from);
  return share;
}

double LossShare::weight_at(int64_t epoch) const {
  if (warmup_epochs <= 0) return weight;
  return weight * std::min(1.0, (static_cast<double>(epoch) + warmup_from) / warmup_epochs);
}

}  // namespace reviewkd
