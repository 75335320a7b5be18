#pragma once
// Sums over all processes that are computed while the caller continues.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "core/distributed/communicator.h"

namespace reviewkd {

class ConcurrentSums {
 public:
  virtual ~ConcurrentSums() = default;
  ConcurrentSums() = default;
  ConcurrentSums(const ConcurrentSums&) = delete;
  ConcurrentSums& operator=(const ConcurrentSums&) = delete;

  /// Begins `sum_in_order` behind the sums that were begun before it. The values are complete, on a device after the
  /// work submitted so far, and are neither changed nor read before `wait`. Does not throw for lost processes.
  virtual void begin(const at::Tensor& values, int64_t active) = 0;

  /// All sums are complete, on a device for work that is submitted from now on. Throws the error of the first that
  /// failed; those behind it were left out.
  virtual void wait() = 0;
};

/// On a thread of its own for the CPU, on a stream of its own for another device. The communicator outlives this.
std::unique_ptr<ConcurrentSums> concurrent_sums(Communicator& communicator, c10::Device device);

}  // namespace reviewkd
