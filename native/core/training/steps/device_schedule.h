#pragma once
// Learning rates of steps to come, on a device: a kernel reads the one at the schedule's position, and the end of a
// step moves that on.

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/ops/sgd/device.h"

namespace reviewkd {

class DeviceSchedule {
 public:
  explicit DeviceSchedule(c10::Device device) : device_(device) {}

  /// position: of the next step among the rates; step: its number.
  void begin(const std::vector<double>& rates, int64_t position, int64_t step);

  ops::DeviceRates rates() const;
  int64_t* position() const;
  double* step() const;
  /// Changes when what was recorded before reads other memory.
  const void* address() const { return memory_.const_data_ptr(); }

 private:
  c10::Device device_;
  at::Tensor memory_;  // bytes: position, step, then the rates
};

}  // namespace reviewkd
