#pragma once
// sgd_step.h's step for many parameters on a device in one launch, without anything being read back.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

struct DeviceSgdStep {
  at::Tensor parameter;        // float32
  at::Tensor gradient;         // float32 or bfloat16
  at::Tensor momentum_buffer;  // float32
  at::Tensor bfloat16_copy;    // receives the parameter; may be undefined
  double rate_scale, decay;
};

/// Learning rates that lie on a device, one for each step, and the number of the step that is taken.
struct DeviceRates {
  const float* rates;
  const int64_t* position;
  c10::Device device;
};

/// Dense parameters on the rates' device, which an accelerator serves. finite: a float32 scalar there; where it is 0, nothing is changed. Throws
/// DEVICE_MISMATCH if a tensor is elsewhere.
void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const DeviceRates& rates, const at::Tensor& finite, double momentum, bool nesterov);

}  // namespace reviewkd::ops
