#pragma once
// sgd_step.h's update for many parameters on a device in one launch, without reading anything back.

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

/// Learning rates on a device, one per step, and the index of the current step.
struct DeviceRates {
  const float* rates;
  const int64_t* position;
  c10::Device device;
};

/// Dense parameters on the rates' device, which a kernel backend supports. finite: a float32 scalar there; if it is
/// 0, nothing changes. Throws DEVICE_MISMATCH if a tensor is elsewhere.
void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const DeviceRates& rates, const at::Tensor& finite,
                   double momentum, bool nesterov);

}  // namespace reviewkd::ops
