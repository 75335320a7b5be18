#include "core/ops/conv_norm/conv_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/conv_norm/affine_convolution.h"
#include "core/ops/conv_norm/convolution_gradients.h"
#include "core/ops/conv_norm/device_conv_norm.h"
#include "core/ops/conv_norm/normalization.h"
#include "core/ops/convolution/image_convolution.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

void require_several_outputs(const at::Tensor& x, const ConvNormParameters& parameters) {
  if (x.dim() != 4) return;  // the convolution reports the error
  const auto out = [&](int64_t dimension) {
    return (x.size(dimension) + 2 * parameters.padding - parameters.weight.size(dimension)) / parameters.stride + 1;
  };
  require_several_values(x.size(0) * out(2) * out(3));
}

/// x: sizes of the input.
std::shared_ptr<const ImageConvolution> convolution_of(at::IntArrayRef x, const ConvNormParameters& parameters,
                                                       at::ScalarType type) {
  if (parameters.groups != 1) return nullptr;
  return image_convolution(x, parameters.weight, parameters.stride, parameters.padding, type);
}

/// The layer with its running statistics as factors; `scale` and `shift` may be undefined.
AffineConvolution affine_layer(const ConvNormParameters& parameters, const at::Tensor& scale, const at::Tensor& shift,
                               const at::Tensor& residual, bool relu) {
  return {.weight = parameters.weight,
          .scale = scale,
          .shift = shift,
          .residual = residual,
          .stride = parameters.stride,
          .padding = parameters.padding,
          .relu = relu};
}

at::Tensor folded_forward(const ImageConvolution& convolution, const at::Tensor& x,
                          const ConvNormParameters& parameters, FoldedWeights& cache, const at::Tensor& residual,
                          bool relu, at::ScalarType type) {
  const auto fold = [&]() -> FoldedWeights::Folded {
    const FoldedBatchNorm folded_norm(parameters);
    return {convolution.pack(parameters.weight, folded_norm.scale.const_data_ptr<float>()), folded_norm.shift};
  };
  const bool keeps = takes_parts() || !convolution.repacks_for(x.size(0));
  const auto folded = cache.get(parameters, type, fold, keeps, convolution.order());
  return affine_convolution_forward(x, affine_layer(parameters, {}, folded->shift, residual, relu), convolution, type,
                                    folded->packed);
}

/// With gradients of x, the weight and the residual.
WithShortcut frozen_conv_norm(const ImageConvolution& convolution, const at::Tensor& x,
                              const ConvNormParameters& parameters, const at::Tensor& residual, bool relu,
                              at::ScalarType type, bool forks) {
  const FoldedBatchNorm folded_norm(parameters);
  AffineResult result =
      affine_convolution(x, affine_layer(parameters, folded_norm.scale, folded_norm.shift, residual, relu), convolution,
                         type, forks && x.requires_grad());
  return {result.layer, result.x};
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(ConvNormFunction) {
 public:
  /// x: represents `map` in the graph. recomputation: receives the recomputation of the result, if nothing is added;
  /// the returned tensor then represents the result but holds the convolution's output. Also returns x for a fork.
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, const at::Tensor& gamma, const at::Tensor& beta,
                               const std::optional<at::Tensor>& residual, const ConvNormParameters& parameters,
                               const ImageConvolution& convolution, bool relu, at::ScalarType type, bool forks,
                               const LazyTensor& map, std::optional<Recomputation>* recomputation) {
    const ConvolutionShape& shape = convolution.shape();
    const int64_t count = x.size(0);
    const int64_t channels = shape.out_channels;
    const ChannelKernels& kernels = map_kernels(type)->channels;
    const at::Tensor input = in_order(x, type);
    const at::Tensor added = residual ? in_order(*residual, type) : at::Tensor();
    const at::Tensor packed = convolution.pack(weight);
    at::Tensor raw = empty_output(count, shape, type);  // [N, O, Ho, Wo], before the normalization
    const SavedActivation reader(input, map.is_made() ? std::nullopt : map.recomputation());
    const NhwcView raws(raw);
    const ImagePass pass{count, shape.out_pixels(), channels, kernels};
    ImageMoments part_moments(pass.parts(), channels);
    const auto work = [&](int64_t n, int64_t group, const WorkShare& share, int64_t) {
      ScratchScope scratch;
      convolution.forward(reader.pixels(n * shape.in_pixels(), group * shape.in_pixels(), scratch), group, packed,
                          nullptr, nullptr, false, raws[n], share);
      // Those of whole images, while they are in the cache.
      const int64_t parts = pass.parts_of_image();
      if (share.count == 1) add_moments(pass, raws, n * parts, (n + group) * parts, part_moments);
    };
    parallel_for_groups(convolution, count, convolution.most_shares(), work);
    if (shares_of(convolution, count, convolution.most_shares()) > 1) add_moments(pass, raws, part_moments);
    const BatchMoments moments =
        moments_of_processes(combined(part_moments, pass.part_pixels()), statistics_exchange());
    update_running_stats(parameters, moments);
    const BatchNormCoefficients coefficients(moments, gamma, beta, parameters.epsilon);
    at::Tensor result;
    if (residual) {
      result = at::empty_like(raw);
      normalize(pass, raws, coefficients.scale(), coefficients.shift(), NhwcView(added), relu, NhwcView(result));
    } else {
      result = raw.detach();
      *recomputation = recompute_norm(raw, coefficients, relu);
    }

    SavedActivation(input, input.is_same(x) ? map.recomputation() : std::nullopt)
        .save(context, {weight, gamma, raw, coefficients.values(),
                        Activation::keeps_result(relu, residual.has_value()) ? result : at::Tensor()});
    NormalizedBatch{moments.count, moments.exchange}.save(context);
    context->saved_data["stride"] = parameters.stride;
    context->saved_data["padding"] = parameters.padding;
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.has_value();
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["input_type"] = static_cast<int64_t>(x.scalar_type());
    return forks ? variable_list{result, x} : variable_list{result};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    const SavedActivation input = SavedActivation::restored(context, saved);
    const at::Tensor &weight = saved[0], &gamma = saved[1], &raw = saved[2];
    const BatchNormCoefficients coefficients(saved[3]);
    const Activation activation{context->saved_data["relu"].toBool(), saved[4]};
    const at::ScalarType type = raw.scalar_type();
    const bool has_residual = context->saved_data["residual"].toBool();
    ConvNormParameters parameters{};
    parameters.weight = weight;
    parameters.stride = context->saved_data["stride"].toInt();
    parameters.padding = context->saved_data["padding"].toInt();
    const auto fast = convolution_of(input.sizes(), parameters, type);
    const ConvolutionShape& shape = fast->shape();
    const at::Tensor gradient = in_order(gradients[0], type);

    // Without a mask, the residual's gradient is the incoming gradient.
    at::Tensor masked;
    if (has_residual) masked = activation.relu ? at::empty_like(gradient) : gradient;
    const NormalizedImages maps({input.sizes()[0], shape.out_pixels(), shape.out_channels, map_kernels(type)->channels},
                                raw, gradient, coefficients, activation);
    const NormalizationGradient factors =
        reduce_gradient(maps, gamma, NormalizedBatch::restored(context),
                        NhwcView(has_residual && activation.relu ? masked : at::Tensor()));

    const bool needs_input = context->needs_input_grad(0);
    const at::Tensor second_gradient =
        gradients.size() > 1 && gradients[1].defined() ? in_order(gradients[1], type) : at::Tensor();
    const ImagePass& pass = maps.pass();
    const auto write_row = [&](int64_t image, int64_t row, void* to) {
      pass.kernels.normalization_gradient(maps.from(image, row * shape.out_width), factors.a.data(), factors.b.data(),
                                          factors.k.data(), to, shape.out_width, pass.channels);
    };
    auto [input_gradient, weight_gradient] = convolution_gradients(
        *fast, weight, input, {write_row, {}}, {.input = needs_input, .weight = true, .added = second_gradient});

    const auto input_type = static_cast<at::ScalarType>(context->saved_data["input_type"].toInt());
    if (needs_input && input_type != type) input_gradient = input_gradient.to(input_type);
    // A bias shifts the mean, which is subtracted again: its gradient is 0.
    const at::Tensor bias_gradient = context->saved_data["bias"].toBool() ? at::zeros_like(gamma) : at::Tensor();
    return {input_gradient,
            weight_gradient,
            bias_gradient,
            factors.gamma_gradient(),
            factors.beta_gradient(),
            masked,
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

std::vector<std::pair<const void*, uint32_t>> FoldedWeights::state_of(const ConvNormParameters& parameters) {
  std::vector<std::pair<const void*, uint32_t>> state;
  for (const auto* tensor : {&parameters.weight, &parameters.bias, &parameters.gamma, &parameters.beta,
                             &parameters.running_mean, &parameters.running_variance}) {
    if (tensor->defined()) state.emplace_back(tensor->const_data_ptr(), tensor->_version());
  }
  return state;
}

void FoldedWeights::share(const Folded& folded) {
  if (folded.packed.is_cpu()) {
    keep_for_graph(folded.packed);
    return;
  }
  for (const auto* tensor : {&folded.packed, &folded.shift, &folded.bias}) {
    if (is_recording()) keep_for_graph(*tensor);
    else keep_until_done(*tensor);
  }
  // During recording, earlier work must not be waited for; the steps before the recording have done so.
  if (!is_recording()) folded.fence.wait(folded.packed.device());
}

at::Tensor conv_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual,
                               bool relu) {
  const at::Tensor convolved =
      at::conv2d(x, parameters.weight, parameters.bias, parameters.stride, parameters.padding, 1, parameters.groups);
  return batch_norm_reference(convolved, parameters, residual, relu);
}

namespace {

WithShortcut run(const LazyTensor& map, const ConvNormParameters& parameters, FoldedWeights& folded,
                 const at::Tensor& residual, bool relu, bool forks) {
  const at::Tensor& variable = map.variable();
  if (parameters.training) require_several_outputs(variable, parameters);
  if (takes_reference_path()) return {conv_norm_reference(map, parameters, residual, relu), map};
  if (auto result = conv_norm_on_device(variable, parameters, folded, residual,
                                        relu ? NormOutputs::kActive : NormOutputs::kSum)) {
    return {std::move(result->layer), map.fork()};
  }
  const at::ScalarType type = computing_type(variable);
  const auto convolution = variable.is_cpu() ? convolution_of(variable.sizes(), parameters, type) : nullptr;
  const bool differentiates = at::GradMode::is_enabled();
  const bool folds = !parameters.training && !requires_gradient({variable, parameters.weight, parameters.bias,
                                                                 parameters.gamma, parameters.beta, residual});
  const bool is_frozen =
      !parameters.training && !requires_gradient({parameters.bias, parameters.gamma, parameters.beta});
  if (!convolution || !(parameters.training || is_frozen) ||
      (requires_gradient({variable}) && !convolution->has_input_gradient())) {
    // PyTorch convolves; one pass over the result does the rest.
    const at::Tensor convolved = at::conv2d(map, parameters.weight, parameters.bias, parameters.stride,
                                            parameters.padding, 1, parameters.groups);
    return {batch_norm(convolved, parameters, residual, relu), map};
  }
  if (folds) return {folded_forward(*convolution, map, parameters, folded, residual, relu, type), map};
  if (is_frozen) return frozen_conv_norm(*convolution, map, parameters, residual, relu, type, forks);
  // If the type is not the convolution's own, the map is computed after all.
  const at::Tensor& x = variable.scalar_type() == type ? variable : map.values();
  forks = forks && differentiates && x.requires_grad();
  std::optional<Recomputation> recomputation;
  const variable_list results = ConvNormFunction::apply(
      x, parameters.weight, where_defined(parameters.bias), parameters.gamma, parameters.beta, where_defined(residual),
      parameters, *convolution, relu, type, forks, map, &recomputation);
  const LazyTensor layer =
      recomputation ? LazyTensor::deferred(results[0], std::move(*recomputation)) : LazyTensor(results[0]);
  // A kernel backend, which the host emulation is for the CPU as well, reads maps and not their placeholders.
  const bool defers = differentiates && kernel_backend_for(variable) == nullptr;
  return {defers ? layer : LazyTensor(layer.values()), forks ? results[1] : x};
}

}  // namespace

LazyTensor conv_norm(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                     const at::Tensor& residual, bool relu) {
  return run(x, parameters, folded, residual, relu, /*forks=*/false).layer;
}

WithShortcut conv_norm_with_shortcut(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                                     bool relu) {
  // The shortcut reads the map as well: it is computed now rather than by each reader.
  return run(x.has_fork() ? x : LazyTensor(x.values()), parameters, folded, {}, relu, /*forks=*/true);
}

Activated activated_conv_norm(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                              const at::Tensor& residual) {
  if (parameters.training) require_several_outputs(x.variable(), parameters);
  if (!takes_reference_path()) {
    if (auto result = conv_norm_on_device(x.variable(), parameters, folded, residual, NormOutputs::kBoth)) {
      return {std::move(result->before), std::move(result->layer)};
    }
  }
  const at::Tensor sum = conv_norm(x, parameters, folded, residual, /*relu=*/false);
  return {sum, at::relu(sum)};
}

}  // namespace reviewkd::ops
