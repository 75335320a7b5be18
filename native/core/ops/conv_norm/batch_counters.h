#pragma once
// Batch counters of normalizations: on a device, one launch at the end of a step increments several dozen of them.

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

namespace reviewkd::ops {

/// Collects the batches counted by this thread while alive.
class BatchCounterScope {
 public:
  BatchCounterScope();
  ~BatchCounterScope();
  BatchCounterScope(const BatchCounterScope&) = delete;
  BatchCounterScope& operator=(const BatchCounterScope&) = delete;

  /// Each counter once, with its increment.
  const std::vector<std::pair<at::Tensor, int64_t>>& counted() const { return counted_; }

 private:
  friend void count_batch(const at::Tensor& counter);

  std::vector<std::pair<at::Tensor, int64_t>> counted_;
  BatchCounterScope* outer_;
};

/// Adds 1 to a counter, an int64 scalar: immediately, or at the end of the thread's BatchCounterScope.
void count_batch(const at::Tensor& counter);

}  // namespace reviewkd::ops
