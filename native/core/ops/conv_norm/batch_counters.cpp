#include "core/ops/conv_norm/batch_counters.h"

#include <algorithm>

namespace reviewkd::ops {
namespace {

thread_local BatchCounterScope* innermost = nullptr;

}  // namespace

BatchCounterScope::BatchCounterScope() : outer_(innermost) { innermost = this; }

BatchCounterScope::~BatchCounterScope() { innermost = outer_; }

void count_batch(const at::Tensor& counter) {
  if (innermost == nullptr) {
    at::Tensor(counter).add_(1);
    return;
  }
  auto& counted = innermost->counted_;
  const auto found =
      std::find_if(counted.begin(), counted.end(), [&](const auto& entry) { return entry.first.is_same(counter); });
  if (found == counted.end()) counted.emplace_back(counter, 1);
  else ++found->second;
}

}  // namespace reviewkd::ops
