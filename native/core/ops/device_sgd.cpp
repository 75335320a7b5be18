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

bool is_fast(const DeviceSgdStep& step) {
  const auto ready = [&](const at::Tensor& values) {
    return values.scalar_type() == at::kFloat && values.is_non_overlapping_and_dense() && in_same_order(values, step.parameter);
  };
  return accelerator_for(step.parameter) != nullptr && ready(step.parameter) && ready(step.gradient) && ready(step.velocity);
}

void plain(const DeviceSgdStep& step, const at::Tensor& rate, const at::Tensor& finite, double momentum, bool nesterov) {
  const at::Tensor decayed = step.decay != 0 ? step.gradient.add(step.parameter, step.decay) : step.gradient;
  const at::Tensor velocity = step.velocity.mul(momentum).add_(decayed);
  const at::Tensor moved = step.parameter - (nesterov ? decayed.add(velocity, momentum) : velocity) * (rate * step.rate_scale);
  // A factor of 0 would leave NaN what it is.
  const at::Tensor changes = finite != 0;
  at::Tensor kept_velocity = step.velocity;
  at::Tensor kept_parameter = step.parameter;
  kept_velocity.copy_(at::where(changes, velocity, step.velocity));
  kept_parameter.copy_(at::where(changes, moved, step.parameter));
}

}  // namespace

void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const at::Tensor& rate, const at::Tensor& finite, double momentum, bool nesterov) {
  if (steps.empty()) return;
  const c10::OptionalDeviceGuard device(rate.device());
  std::vector<SgdTensor> tensors;
  for (const auto& step : steps) {
    if (!is_fast(step)) {
      plain(step, rate, finite, momentum, nesterov);
      continue;
    }
    tensors.push_back({step.parameter.data_ptr<float>(), step.gradient.const_data_ptr<float>(), step.velocity.data_ptr<float>(),
                       step.parameter.numel(), static_cast<float>(step.rate_scale), static_cast<float>(step.decay)});
    mark_changed(step.parameter);
    mark_changed(step.velocity);
  }
  if (tensors.empty()) return;
  accelerator_of(rate.device().type())->sgd({tensors.data(), static_cast<int64_t>(tensors.size()), rate.const_data_ptr<float>(),
                                             finite.const_data_ptr<float>(), static_cast<float>(momentum), nesterov});
}

}  // namespace reviewkd::ops
