#include "core/training/state/epoch_state.h"

namespace reviewkd {

Losses EpochState::mean_losses() const {
  const double count = sums.images > 0 ? static_cast<double>(sums.images) : 1.0;
  Losses result = sums.losses;
  result.for_each([&](double& value) { value /= count; });
  return result;
}

double EpochState::mean_metric(double factor) const {
  return sums.images > 0 ? factor * sums.metric / static_cast<double>(sums.images) : 0.0;
}

}  // namespace reviewkd
