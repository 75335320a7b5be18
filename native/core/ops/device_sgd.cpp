#include "core/ops/device_sgd.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "core/ops/accelerators.h"

namespace reviewkd::ops {
namespace {

/// Whether elements that belong together lie at the same places. How far a dimension of one element would go does not matter.
bool in_same_order(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

/// The values in the parameter's order; themselves where they are so already.
at::Tensor ordered(const at::Tensor& values, const at::Tensor& parameter) {
  return in_same_order(values, parameter) ? values : at::empty_like(parameter).copy_(values);
}

}  // namespace

void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const at::Tensor& rate, const at::Tensor& finite, double momentum, bool nesterov) {
  if (steps.empty()) return;
  const c10::OptionalDeviceGuard device(rate.device());
  std::vector<SgdTensor> tensors;
  std::vector<at::Tensor> gradients, velocities;  // which live until the kernel has its work
  for (const auto& [parameter, gradient, velocity, rate_scale, decay] : steps) {
    TORCH_CHECK(parameter.scalar_type() == at::kFloat && parameter.is_non_overlapping_and_dense(), "expected dense float32 parameters");
    gradients.push_back(ordered(gradient, parameter));
    velocities.push_back(ordered(velocity, parameter));
    tensors.push_back({parameter.data_ptr<float>(), gradients.back().const_data_ptr<float>(), velocities.back().data_ptr<float>(), parameter.numel(),
                       static_cast<float>(rate_scale), static_cast<float>(decay)});
    mark_changed(parameter);
    mark_changed(velocity);
  }
  accelerator_of(rate.device().type())->sgd({tensors.data(), static_cast<int64_t>(tensors.size()), rate.const_data_ptr<float>(),
                                             finite.const_data_ptr<float>(), static_cast<float>(momentum), nesterov});
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!velocities[i].is_same(steps[i].velocity)) steps[i].velocity.copy_(velocities[i]);
  }
}

}  // namespace reviewkd::ops
