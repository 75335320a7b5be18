#include "core/ops/conv_norm/device_norm.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/conv_norm/normalization.h"

namespace reviewkd::ops {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

DeviceNormalized normalize_map(const at::Tensor& raw, const at::Tensor& scale, const at::Tensor& shift,
                               const at::Tensor& residual, NormOutputs outputs) {
  DeviceNormalized result;
  if (outputs != NormOutputs::kActive) result.sum = at::empty_like(raw);
  if (outputs != NormOutputs::kSum) result.active = at::empty_like(raw);
  kernel_backend_of(raw.device().type())
      ->normalize({
          .shape = map_shape(raw),
          .x = raw.const_data_ptr(),
          .scale = address<const float>(scale),
          .shift = shift.const_data_ptr<float>(),
          .residual = address(residual),
          .out = address(result.sum),
          .active = address(result.active),
      });
  return result;
}

DeviceNormalized normalize_batch(const at::Tensor& raw, const ConvNormParameters& parameters,
                                 const at::Tensor& residual, NormOutputs outputs) {
  const KernelBackend& backend = *kernel_backend_of(raw.device().type());
  const MapShape shape = map_shape(raw);
  const at::Tensor scratch = device_floats({backend.batch_norm_scratch(shape)}, raw);
  const at::Tensor statistics = device_floats({4, shape.channels}, raw);
  float* row = statistics.data_ptr<float>();
  backend.batch_norm_statistics({
      .shape = shape,
      .x = raw.const_data_ptr(),
      .gamma = parameters.gamma.const_data_ptr<float>(),
      .beta = parameters.beta.const_data_ptr<float>(),
      .bias = address<const float>(parameters.bias),
      .epsilon = parameters.epsilon,
      .momentum = parameters.momentum,
      .running_mean = parameters.running_mean.data_ptr<float>(),
      .running_variance = parameters.running_variance.data_ptr<float>(),
      .scratch = scratch.data_ptr<float>(),
      .scale = row,
      .shift = row + shape.channels,
      .mean = row + 2 * shape.channels,
      .inverse = row + 3 * shape.channels,
  });
  mark_changed(parameters.running_mean);
  mark_changed(parameters.running_variance);
  DeviceNormalized result = normalize_map(raw, statistics.select(0, 0), statistics.select(0, 1), residual, outputs);
  result.statistics = statistics;
  return result;
}

variable_list outputs_of(const DeviceNormalized& normalized, NormOutputs outputs) {
  const at::Tensor& read = outputs == NormOutputs::kSum ? normalized.sum : normalized.active;
  variable_list results = {read, read.detach()};
  if (outputs == NormOutputs::kBoth) results.push_back(normalized.sum);
  return results;
}

DeviceNormGradient normalize_batch_gradient(const variable_list& gradients, NormOutputs outputs, const at::Tensor& raw,
                                            const at::Tensor& active_map, const at::Tensor& statistics,
                                            const at::Tensor& gamma, bool has_residual) {
  const KernelBackend& backend = *kernel_backend_of(raw.device().type());
  const at::ScalarType type = raw.scalar_type();
  const auto ordered = [&](const at::Tensor& gradient) {
    return gradient.defined() ? for_kernels(gradient, type) : gradient;
  };
  at::Tensor first = ordered(gradients[0]), second = ordered(gradients[1]), active = active_map;
  if (!first.defined()) std::swap(first, second);
  if (outputs == NormOutputs::kBoth && gradients[2].defined()) {
    // The sum has its own reader, which the activation does not mask.
    at::Tensor sum = ordered(gradients[2]);
    if (second.defined()) first = first + second;
    if (first.defined()) sum = sum + at::where(active > 0, first, at::zeros_like(first));
    first = std::move(sum);
    second = active = at::Tensor();
  }
  if (!first.defined()) return {};
  // Without a mask or a sum, the residual's gradient is the incoming gradient.
  const bool makes_gradient = active.defined() || second.defined();
  const at::Tensor masked = has_residual && makes_gradient ? at::empty_like(raw) : at::Tensor();
  const MapShape shape = map_shape(raw);
  const at::Tensor sums = device_floats({2, shape.channels}, raw);  // of gamma, beta
  const at::Tensor factors = device_floats({3, shape.channels}, raw);
  const at::Tensor scratch = device_floats({backend.batch_norm_scratch(shape)}, raw);
  const float* row = statistics.const_data_ptr<float>();
  DeviceNormGradient result;
  result.raw = at::empty_like(raw);
  backend.batch_norm_gradient({
      .shape = shape,
      .gradient = first.const_data_ptr(),
      .other_gradient = address(second),
      .active = address(active),
      .x = raw.const_data_ptr(),
      .mean = row + 2 * shape.channels,
      .inverse = row + 3 * shape.channels,
      .gamma = gamma.const_data_ptr<float>(),
      .masked = address(masked),
      .scratch = scratch.data_ptr<float>(),
      .factors = factors.data_ptr<float>(),
      .gamma_gradient = sums.data_ptr<float>(),
      .beta_gradient = sums.data_ptr<float>() + shape.channels,
      .x_gradient = result.raw.data_ptr(),
  });
  if (has_residual) result.residual = makes_gradient ? masked : first;
  result.gamma = sums.select(0, 0);
  result.beta = sums.select(0, 1);
  return result;
}

REVIEWKD_AUTOGRAD_FUNCTION(DeviceBatchNormFunction) {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                               const at::Tensor& beta, const std::optional<at::Tensor>& residual,
                               const ConvNormParameters& parameters, NormOutputs outputs) {
    static_cast<void>(beta);  // an input only for the graph; the parameters carry its values
    const c10::OptionalDeviceGuard device(x.device());
    const at::Tensor raw = for_kernels(x, x.scalar_type());
    const at::Tensor added = residual ? for_kernels(*residual, x.scalar_type()) : at::Tensor();
    const DeviceNormalized normalized = normalize_batch(raw, parameters, added, outputs);
    context->set_materialize_grads(false);
    context->save_for_backward({raw, gamma, normalized.active, normalized.statistics});
    context->saved_data["outputs"] = static_cast<int64_t>(outputs);
    context->saved_data["residual"] = residual.has_value();
    return outputs_of(normalized, outputs);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const c10::OptionalDeviceGuard device(saved[0].device());
    const DeviceNormGradient gradient =
        normalize_batch_gradient(gradients, static_cast<NormOutputs>(context->saved_data["outputs"].toInt()), saved[0],
                                 saved[2], saved[3], saved[1], context->saved_data["residual"].toBool());
    return {gradient.raw, gradient.gamma, gradient.beta, gradient.residual, at::Tensor(), at::Tensor()};
  }
};

std::optional<LazyTensor> batch_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters,
                                               const at::Tensor& residual, bool relu) {
  if (kernel_backend_for(x) == nullptr || !accelerates(x) || parameters.gamma.scalar_type() != at::kFloat ||
      exchange_of(parameters) != nullptr)
    return std::nullopt;
  const NormOutputs outputs = relu ? NormOutputs::kActive : NormOutputs::kSum;
  if (parameters.training) {
    const variable_list results = DeviceBatchNormFunction::apply(x, parameters.gamma, parameters.beta,
                                                                 where_defined(residual), parameters, outputs);
    return LazyTensor::with_fork(results[0], results[1]);
  }
  if (at::GradMode::is_enabled()) return std::nullopt;
  const c10::OptionalDeviceGuard device(x.device());
  const FoldedBatchNorm folded_norm(parameters);
  const at::Tensor added = residual.defined() ? for_kernels(residual, x.scalar_type()) : residual;
  const DeviceNormalized normalized =
      normalize_map(for_kernels(x, x.scalar_type()), folded_norm.scale, folded_norm.shift, added, outputs);
  return LazyTensor(relu ? normalized.active : normalized.sum);
}

}  // namespace reviewkd::ops
