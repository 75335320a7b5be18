#include "core/ops/attention_fusion/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

AttentionMaps maps_of(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weights, const at::Tensor& z) {
  AttentionMaps call{};
  call.type = value_type(x.scalar_type());
  call.images = x.size(0);
  call.rows = y.size(2);
  call.columns = y.size(3);
  call.down = x.size(2) / y.size(2);
  call.right = x.size(3) / y.size(3);
  call.channels = x.size(1);
  call.x = x.const_data_ptr();
  call.y = y.const_data_ptr();
  call.weights = weights.const_data_ptr<float>();
  call.z = z.data_ptr<float>();
  return call;
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(DeviceAttentionFusionFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& x_map, const at::Tensor& y_map,
                          const at::Tensor& weight, const at::Tensor& bias, at::ScalarType type) {
    const c10::OptionalDeviceGuard device(x_map.device());
    const at::Tensor x = for_kernels(x_map, type);
    const at::Tensor y = for_kernels(y_map, type);
    const at::Tensor weights = weight.contiguous();
    const at::Tensor z = device_floats({x.size(0), x.size(2), x.size(3), 2}, x);
    at::Tensor result = at::empty_like(x);
    AttentionMaps call = maps_of(x, y, weights, z);
    call.bias = bias.const_data_ptr<float>();
    call.out = result.data_ptr();
    kernel_backend_of(x.device().type())->attention(call);
    context->save_for_backward({x, y, weights, z});
    context->saved_data["x_type"] = static_cast<int64_t>(x_map.scalar_type());
    context->saved_data["y_type"] = static_cast<int64_t>(y_map.scalar_type());
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &weights = saved[2], &z = saved[3];
    const c10::OptionalDeviceGuard device(x.device());
    const KernelBackend& backend = *kernel_backend_of(x.device().type());
    const at::Tensor gradient = for_kernels(gradients[0], x.scalar_type());
    at::Tensor x_gradient = at::empty_like(x);
    at::Tensor y_gradient = at::empty_like(y);
    at::Tensor weight_gradient = at::empty_like(weights);
    at::Tensor bias_gradient = device_floats({2}, x);
    AttentionMaps call = maps_of(x, y, weights, z);
    const at::Tensor scratch = device_floats({backend.attention_scratch(call)}, x);
    call.gradient = gradient.const_data_ptr();
    call.scratch = scratch.data_ptr<float>();
    call.x_gradient = x_gradient.data_ptr();
    call.y_gradient = y_gradient.data_ptr();
    call.weight_gradient = weight_gradient.data_ptr<float>();
    call.bias_gradient = bias_gradient.data_ptr<float>();
    backend.attention_gradient(call);
    const auto type_of = [&](const char* name) {
      return static_cast<at::ScalarType>(context->saved_data[name].toInt());
    };
    return {x_gradient.to(type_of("x_type")), y_gradient.to(type_of("y_type")), weight_gradient, bias_gradient,
            at::Tensor()};
  }
};

std::optional<at::Tensor> attention_fusion_on_device(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                                                     const at::Tensor& bias) {
  if (kernel_backend_for(x) == nullptr || x.dim() != 4 || x.numel() == 0 || !has_few_pixels(x) ||
      weight.scalar_type() != at::kFloat)
    return std::nullopt;
  const at::ScalarType type = computing_type(x);
  if (!accelerates(type, x.size(1)) || x.size(2) % y.size(2) != 0 || x.size(3) % y.size(3) != 0) return std::nullopt;
  return DeviceAttentionFusionFunction::apply(x, y, weight, bias, type);
}

}  // namespace reviewkd::ops
