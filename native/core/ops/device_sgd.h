#pragma once
// sgd_step.h's step for many parameters on a device in one launch, without anything being read back.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

struct DeviceSgdStep {
  at::Tensor parameter, gradient, velocity;
  double rate_scale, decay;
};

/// Dense float32 parameters on a device that an accelerator serves. rate, finite: float32 scalars there; where `finite` is 0, nothing is changed.
void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const at::Tensor& rate, const at::Tensor& finite, double momentum, bool nesterov);

}  // namespace reviewkd::ops
