#include "core/ops/device_conv_norm.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/accelerators.h"
#include "core/ops/device_streams.h"
#include "core/ops/dispatch.h"
#include "core/ops/images.h"
#include "core/ops/normalization.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

at::Tensor convolved(const at::Tensor& input, const at::Tensor& kernel, int64_t stride, int64_t padding, int64_t groups) {
  return for_kernels(at::convolution(input, kernel, {}, {stride, stride}, {padding, padding}, {1, 1}, false, {0, 0}, groups), input.scalar_type());
}

}  // namespace

// With a name outside of this file: Windows imports the base class, which it does for no class without such a name.
class DeviceConvNormFunction : public torch::autograd::Function<DeviceConvNormFunction> {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                          const at::Tensor& gamma, const at::Tensor& beta, const std::optional<at::Tensor>& residual,
                          const ConvNormParameters& parameters, bool relu, at::ScalarType type) {
    const c10::OptionalDeviceGuard device(x.device());
    const Accelerator& accelerator = *accelerator_of(x.device().type());
    const at::Tensor input = in_order(x, type);
    const at::Tensor kernel = in_order(weight, type);
    const at::Tensor added = residual ? for_kernels(*residual, type) : at::Tensor();
    const at::Tensor raw = convolved(input, kernel, parameters.stride, parameters.padding, parameters.groups);  // [N, O, Ho, Wo]
    at::Tensor result = at::empty_like(raw);
    const MapShape shape = map_shape(raw);
    const at::Tensor scratch = device_floats({accelerator.batch_norm_scratch(shape)}, raw);
    const at::Tensor statistics = device_floats({4, shape.channels}, raw);  // scale, shift, mean, inverse
    float* row = statistics.data_ptr<float>();
    accelerator.batch_norm_statistics({
        .shape = shape, .x = raw.const_data_ptr(),
        .gamma = gamma.const_data_ptr<float>(), .beta = beta.const_data_ptr<float>(), .bias = bias ? bias->const_data_ptr<float>() : nullptr,
        .epsilon = parameters.epsilon, .momentum = parameters.momentum,
        .running_mean = parameters.running_mean.data_ptr<float>(), .running_variance = parameters.running_variance.data_ptr<float>(),
        .scratch = scratch.data_ptr<float>(),
        .scale = row, .shift = row + shape.channels, .mean = row + 2 * shape.channels, .inverse = row + 3 * shape.channels,
    });
    mark_changed(parameters.running_mean);
    mark_changed(parameters.running_variance);
    accelerator.normalize({.shape = shape, .x = raw.const_data_ptr(), .scale = row, .shift = row + shape.channels,
                           .residual = address(added), .relu = relu, .out = result.data_ptr()});

    context->save_for_backward({input, kernel, gamma, raw, relu ? result : at::Tensor(), statistics});
    context->saved_data["stride"] = parameters.stride;
    context->saved_data["padding"] = parameters.padding;
    context->saved_data["groups"] = parameters.groups;
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.has_value();
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["input_type"] = static_cast<int64_t>(x.scalar_type());
    context->saved_data["residual_type"] = static_cast<int64_t>(residual ? residual->scalar_type() : type);
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &kernel = saved[1], &gamma = saved[2], &raw = saved[3], &active = saved[4], &statistics = saved[5];
    const c10::OptionalDeviceGuard device(raw.device());
    const Accelerator& accelerator = *accelerator_of(raw.device().type());
    const auto number = [&](const char* name) { return context->saved_data[name].toInt(); };
    const bool relu = context->saved_data["relu"].toBool();
    const bool has_residual = context->saved_data["residual"].toBool();
    const MapShape shape = map_shape(raw);
    const at::Tensor gradient = for_kernels(gradients[0], raw.scalar_type());

    // Where nothing is masked, what is added gets the gradient as it came.
    const at::Tensor masked = has_residual && relu ? at::empty_like(gradient) : at::Tensor();
    at::Tensor raw_gradient = at::empty_like(raw);
    const at::Tensor sums = device_floats({2, shape.channels}, raw);  // of gamma, beta
    const at::Tensor factors = device_floats({3, shape.channels}, raw);
    const at::Tensor scratch = device_floats({accelerator.batch_norm_scratch(shape)}, raw);
    const float* row = statistics.const_data_ptr<float>();
    accelerator.batch_norm_gradient({
        .shape = shape, .gradient = gradient.const_data_ptr(), .active = address(active), .x = raw.const_data_ptr(),
        .mean = row + 2 * shape.channels, .inverse = row + 3 * shape.channels, .gamma = gamma.const_data_ptr<float>(),
        .masked = address(masked), .scratch = scratch.data_ptr<float>(), .factors = factors.data_ptr<float>(),
        .gamma_gradient = sums.data_ptr<float>(), .beta_gradient = sums.data_ptr<float>() + shape.channels,
        .x_gradient = raw_gradient.data_ptr(),
    });

    const int64_t stride = number("stride");
    const int64_t padding = number("padding");
    auto [input_gradient, weight_gradient, none] =
        at::convolution_backward(raw_gradient, input, kernel, std::nullopt, {stride, stride}, {padding, padding}, {1, 1}, false, {0, 0},
                                 number("groups"), {context->needs_input_grad(0), context->needs_input_grad(1), false});
    if (input_gradient.defined()) input_gradient = input_gradient.to(static_cast<at::ScalarType>(number("input_type")));
    if (weight_gradient.defined()) weight_gradient = weight_gradient.to(at::kFloat);
    at::Tensor residual_gradient;
    if (has_residual) residual_gradient = (relu ? masked : gradient).to(static_cast<at::ScalarType>(number("residual_type")));
    // A bias moves the mean, which is subtracted again.
    const at::Tensor bias_gradient = context->saved_data["bias"].toBool() ? at::zeros_like(gamma) : at::Tensor();
    return {input_gradient, weight_gradient, bias_gradient, sums.select(0, 0), sums.select(0, 1), residual_gradient,
            at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

namespace {

/// With running statistics: their scale and shift are kept, for nothing changes them.
at::Tensor normalized(const Accelerator& accelerator, const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& cache,
                      const at::Tensor& residual, bool relu, at::ScalarType type) {
  const c10::OptionalDeviceGuard device(x.device());
  const auto folded = cache.get(parameters, type, [&]() -> FoldedWeights::Folded {
    const Folding folding(parameters);
    return {in_order(parameters.weight.detach(), type), at::stack({folding.scale, folding.shift})};
  });
  keep_for_graph(folded->packed);
  keep_for_graph(folded->shift);
  const at::Tensor added = residual.defined() ? for_kernels(residual, type) : residual;
  at::Tensor result = convolved(in_order(x, type), folded->packed, parameters.stride, parameters.padding, parameters.groups);
  const MapShape shape = map_shape(result);
  const float* scale = folded->shift.const_data_ptr<float>();
  accelerator.normalize({.shape = shape, .x = result.const_data_ptr(), .scale = scale, .shift = scale + shape.channels,
                         .residual = address(added), .relu = relu, .out = result.data_ptr()});
  return result;
}

}  // namespace

std::optional<at::Tensor> conv_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                                              const at::Tensor& residual, bool relu) {
  const Accelerator* accelerator = accelerator_for(x);
  if (accelerator == nullptr || x.dim() != 4 || x.numel() == 0) return std::nullopt;
  const at::ScalarType type = computing_type(x);
  const at::Tensor& weight = parameters.weight;
  const bool folds = !parameters.training && !at::GradMode::is_enabled();
  if (!accelerates(type, weight.size(0)) || weight.scalar_type() != at::kFloat || !(folds || parameters.training)) return std::nullopt;
  if (folds) return normalized(*accelerator, x, parameters, folded, residual, relu, type);
  return DeviceConvNormFunction::apply(x, weight, where_defined(parameters.bias), parameters.gamma, parameters.beta, where_defined(residual),
                                       parameters, relu, type);
}

}  // namespace reviewkd::ops
