#pragma once
// The counters of batches that normalizations keep: on a device some dozen of them grow in one launch at the end of a step.

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

namespace reviewkd::ops {

/// Collects, while it lives, the batches that this thread counts.
class BatchCounterScope {
 public:
  BatchCounterScope();
  ~BatchCounterScope();
  BatchCounterScope(const BatchCounterScope&) = delete;
  BatchCounterScope& operator=(const BatchCounterScope&) = delete;

  /// Each counter once, with how much it has to grow.
  const std::vector<std::pair<at::Tensor, int64_t>>& counted() const { return counted_; }

 private:
  friend void count_batch(const at::Tensor& counter);

  std::vector<std::pair<at::Tensor, int64_t>> counted_;
  BatchCounterScope* outer_;
};

/// Adds 1 to a counter, an int64 scalar: at once, or at the end of the thread's BatchCounterScope.
void count_batch(const at::Tensor& counter);

}  // namespace reviewkd::ops
