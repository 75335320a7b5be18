#pragma once
// sgd_step.h's step for many parameters on a device in one launch, without anything being read back.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

struct DeviceSgdStep {
  at::Tensor parameter, gradient, velocity;
  double rate_scale, decay;
};

/// rate, finite: float32 scalars on the device; where `finite` is 0, nothing is changed. Parameters that no kernel takes go by PyTorch's
/// operations.
void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const at::Tensor& rate, const at::Tensor& finite, double momentum, bool nesterov);

}  // namespace reviewkd::ops
