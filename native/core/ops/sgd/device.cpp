#include "core/ops/sgd/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "core/base/error.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {
namespace {

/// Whether corresponding elements have the same offsets. Strides of dimensions of size one are ignored.
bool in_same_order(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

/// The values in the parameter's order; the same tensor if it already is.
at::Tensor ordered(const at::Tensor& values, const at::Tensor& parameter) {
  if (in_same_order(values, parameter)) return values;
  return at::empty_like(parameter, parameter.options().dtype(values.scalar_type())).copy_(values);
}

void check_device(const at::Tensor& tensor, c10::Device device) {
  if (!tensor.defined() || tensor.device() == device) return;
  fail(ErrorCode::kDeviceMismatch, "invalid device of a parameter, its gradient or its momentum buffer: expected ",
       device, ", received ", tensor.device(), ". Create a new session for networks that were moved.");
}

}  // namespace

void sgd_on_device(const std::vector<DeviceSgdStep>& steps, const DeviceRates& rates, const at::Tensor& finite,
                   double momentum, bool nesterov) {
  if (steps.empty()) return;
  for (const auto& step : steps) {
    for (const auto* tensor : {&step.parameter, &step.gradient, &step.momentum_buffer, &step.bfloat16_copy})
      check_device(*tensor, rates.device);
  }
  const c10::OptionalDeviceGuard device(rates.device);
  std::vector<SgdTensor> tensors;
  std::vector<at::Tensor> gradients, buffers;  // kept alive until the kernel is submitted
  for (const auto& [parameter, gradient, buffer, copy, rate_scale, decay] : steps) {
    TORCH_CHECK(parameter.scalar_type() == at::kFloat && parameter.is_non_overlapping_and_dense(),
                "invalid parameter: expected dense float32 values");
    gradients.push_back(ordered(gradient, parameter));
    buffers.push_back(ordered(buffer, parameter));
    tensors.push_back({.parameter = parameter.data_ptr<float>(),
                       .gradient = gradients.back().const_data_ptr(),
                       .momentum_buffer = buffers.back().data_ptr<float>(),
                       .bfloat16_copy = address(copy),
                       .count = parameter.numel(),
                       .rate_scale = static_cast<float>(rate_scale),
                       .decay = static_cast<float>(decay),
                       .gradient_type = value_type(gradient.scalar_type())});
    mark_changed(parameter);
    mark_changed(buffer);
  }
  kernel_backend_of(rates.device.type())
      ->sgd({tensors.data(), static_cast<int64_t>(tensors.size()), rates.rates, rates.position,
             finite.const_data_ptr<float>(), static_cast<float>(momentum), nesterov});
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!buffers[i].is_same(steps[i].momentum_buffer)) steps[i].momentum_buffer.copy_(buffers[i]);
  }
}

}  // namespace reviewkd::ops
