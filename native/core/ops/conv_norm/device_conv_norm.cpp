#include "core/ops/conv_norm/device_conv_norm.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/conv_norm/normalization.h"
#include "core/ops/low_precision_copies/low_precision_copies.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor convolved(const at::Tensor& input, const at::Tensor& kernel, const ConvNormParameters& parameters) {
  const int64_t stride = parameters.stride;
  const int64_t padding = parameters.padding;
  return for_kernels(at::convolution(input, kernel, {}, {stride, stride}, {padding, padding}, {1, 1}, false, {0, 0},
                                     parameters.groups),
                     input.scalar_type());
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(DeviceConvNormFunction) {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, const at::Tensor& gamma, const at::Tensor& beta,
                               const std::optional<at::Tensor>& residual, const ConvNormParameters& parameters,
                               NormOutputs outputs, at::ScalarType type) {
    static_cast<void>(beta);  // an input only for the graph; the parameters carry its values
    const c10::OptionalDeviceGuard device(x.device());
    LowPrecisionCopies::Copy* copy = low_precision_copy(weight, type);
    const at::Tensor input = in_order(x, type);
    const at::Tensor kernel = copy != nullptr ? copy->values : in_order(weight, type);
    const at::Tensor added = residual ? for_kernels(*residual, type) : at::Tensor();
    const at::Tensor raw = convolved(input, kernel, parameters);  // [N, O, Ho, Wo]
    const DeviceNormalized normalized = normalize_batch(raw, parameters, added, outputs);

    context->set_materialize_grads(false);
    context->save_for_backward({input, kernel, gamma, raw, normalized.active, normalized.statistics});
    context->saved_data["stride"] = parameters.stride;
    context->saved_data["padding"] = parameters.padding;
    context->saved_data["groups"] = parameters.groups;
    context->saved_data["outputs"] = static_cast<int64_t>(outputs);
    context->saved_data["residual"] = residual.has_value();
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["input_type"] = static_cast<int64_t>(x.scalar_type());
    context->saved_data["residual_type"] = static_cast<int64_t>(residual ? residual->scalar_type() : type);
    // Outlives the backward pass: it is owned by the training session.
    context->saved_data["copy"] = static_cast<int64_t>(reinterpret_cast<intptr_t>(copy));
    return outputs_of(normalized, outputs);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &kernel = saved[1], &gamma = saved[2], &raw = saved[3], &active = saved[4],
                     &statistics = saved[5];
    const c10::OptionalDeviceGuard device(raw.device());
    const auto number = [&](const char* name) { return context->saved_data[name].toInt(); };
    const auto outputs = static_cast<NormOutputs>(number("outputs"));
    const DeviceNormGradient gradient = normalize_batch_gradient(gradients, outputs, raw, active, statistics, gamma,
                                                                 context->saved_data["residual"].toBool());
    if (!gradient.raw.defined()) return variable_list(kInputs);

    const int64_t stride = number("stride");
    const int64_t padding = number("padding");
    auto [input_gradient, weight_gradient, none] = at::convolution_backward(
        gradient.raw, input, kernel, std::nullopt, {stride, stride}, {padding, padding}, {1, 1}, false, {0, 0},
        number("groups"), {context->needs_input_grad(0), context->needs_input_grad(1), false});
    if (input_gradient.defined()) input_gradient = input_gradient.to(static_cast<at::ScalarType>(number("input_type")));
    // NOLINTNEXTLINE(performance-no-int-to-ptr): autograd keeps numbers and tensors, no pointers.
    auto* copy = reinterpret_cast<LowPrecisionCopies::Copy*>(static_cast<intptr_t>(number("copy")));
    if (weight_gradient.defined() && copy != nullptr) {
      add_gradient(*copy, weight_gradient);
      weight_gradient = at::Tensor();
    } else if (weight_gradient.defined()) {
      weight_gradient = weight_gradient.to(at::kFloat);
    }
    at::Tensor residual_gradient = gradient.residual;
    if (residual_gradient.defined())
      residual_gradient = residual_gradient.to(static_cast<at::ScalarType>(number("residual_type")));
    // A bias shifts the mean, which is subtracted again: its gradient is 0.
    const at::Tensor bias_gradient = context->saved_data["bias"].toBool() ? at::zeros_like(gamma) : at::Tensor();
    return {input_gradient,    weight_gradient, bias_gradient, gradient.gamma, gradient.beta,
            residual_gradient, at::Tensor(),    at::Tensor(),  at::Tensor()};
  }

 private:
  static constexpr size_t kInputs = 9;
};

namespace {

/// The layer's convolution with folded statistics, addition and activation in one cuDNN kernel; nullopt if
/// unavailable.
std::optional<at::Tensor> fused_by_library(const at::Tensor& input, const FoldedWeights::Folded& folded,
                                           const ConvNormParameters& parameters, const at::Tensor& residual) {
  if (!input.is_cuda() || parameters.groups != 1 || !folded.library_fuses) return std::nullopt;
  const std::vector<int64_t> stride(2, parameters.stride), padding(2, parameters.padding), dilation(2, 1);
  try {
    if (!residual.defined())
      return at::cudnn_convolution_relu(input, folded.packed, folded.bias, stride, padding, dilation, 1);
    return at::cudnn_convolution_add_relu(input, folded.packed, residual, /*alpha=*/1, folded.bias, stride, padding,
                                          dilation, 1);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error&) {
    // This version of cuDNN has no engine for the layer, so later steps do not try again.
    folded.library_fuses = false;
    return std::nullopt;
  }
}

/// With running statistics: they are folded into the weights, which are cached because nothing changes them.
DeviceConvNorm folded_conv_norm(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& cache,
                                const at::Tensor& residual, NormOutputs outputs, at::ScalarType type) {
  const c10::OptionalDeviceGuard device(x.device());
  const auto folded = cache.get(parameters, type, [&] {
    const FoldedBatchNorm folded_norm(parameters);
    const at::Tensor weight = parameters.weight.detach() * folded_norm.scale.view({-1, 1, 1, 1});
    return FoldedWeights::Folded{in_order(weight, type), folded_norm.shift, folded_norm.shift.to(type)};
  });
  const at::Tensor added = residual.defined() ? for_kernels(residual, type) : residual;
  const at::Tensor input = in_order(x, type);
  if (outputs == NormOutputs::kActive) {
    if (const auto fused = fused_by_library(input, *folded, parameters, added))
      return {LazyTensor(for_kernels(*fused, type)), {}};
  }
  const at::Tensor raw = convolved(input, folded->packed, parameters);
  const DeviceNormalized normalized = normalize_map(raw, {}, folded->shift, added, outputs);
  return {LazyTensor(outputs == NormOutputs::kSum ? normalized.sum : normalized.active), normalized.sum};
}

}  // namespace

std::optional<DeviceConvNorm> conv_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters,
                                                  FoldedWeights& folded, const at::Tensor& residual,
                                                  NormOutputs outputs) {
  if (kernel_backend_for(x) == nullptr || x.dim() != 4 || x.numel() == 0 || !has_few_pixels(x)) return std::nullopt;
  const at::ScalarType type = computing_type(x);
  const at::Tensor& weight = parameters.weight;
  const bool folds = !parameters.training && !at::GradMode::is_enabled();
  if (!accelerates(type, weight.size(0)) || weight.scalar_type() != at::kFloat || !(folds || parameters.training) ||
      exchange_of(parameters) != nullptr)
    return std::nullopt;
  if (folds) return folded_conv_norm(x, parameters, folded, residual, outputs, type);
  const variable_list results =
      DeviceConvNormFunction::apply(x, weight, where_defined(parameters.bias), parameters.gamma, parameters.beta,
                                    where_defined(residual), parameters, outputs, type);
  return DeviceConvNorm{LazyTensor::with_fork(results[0], results[1]),
                        outputs == NormOutputs::kBoth ? results[2] : at::Tensor()};
}

}  // namespace reviewkd::ops
