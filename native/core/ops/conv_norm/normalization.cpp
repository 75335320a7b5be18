#include "core/ops/conv_norm/normalization.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/conv_norm/affine_convolution.h"
#include "core/ops/conv_norm/device_norm.h"
#include "core/ops/conv_norm/synced/synced_batch_norm.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

ImagePass pass_over(const at::Tensor& x) {
  return {x.size(0), x.size(2) * x.size(3), x.size(1), map_kernels(x.scalar_type())->channels};
}

BatchMoments moments_of(const ImagePass& pass, const NhwcView& x) {
  ImageMoments moments(pass.parts(), pass.channels);
  add_moments(pass, x, moments);
  return moments_of_processes(combined(moments, pass.part_pixels()), statistics_exchange());
}

/// For statistics of a map itself, which include a convolution's bias.
ConvNormParameters without_bias(ConvNormParameters parameters) {
  parameters.bias = at::Tensor();
  return parameters;
}

/// Calls body(first pixel, pixels), counted over all images, in parallel.
template <typename Body>
void each_part(const ImagePass& pass, const Body& body) {
  const int64_t pixels = pass.part_pixels();
  parallel_for_ranges(pass.parts(), [&](int64_t first, int64_t last, int64_t) {
    for (int64_t k = first; k < last; ++k) body(k * pixels, pixels);
  });
}

template <bool kRelu>
void make_normalized(const std::vector<at::Tensor>& sources, int64_t first, int64_t count, void* out) {
  const at::Tensor& x = sources[0];
  const BatchNormCoefficients coefficients(sources[1]);
  map_kernels(x.scalar_type())
      ->channels.normalize(NhwcView(x).pixel(0, first), coefficients.scale(), coefficients.shift(), nullptr, kRelu, out,
                           count, x.size(1));
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(BatchNormFunction) {
 public:
  /// recomputation: receives the recomputation of the result, if nothing is added.
  static Variable forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                          const at::Tensor& beta, const std::optional<at::Tensor>& residual,
                          const ConvNormParameters& parameters, bool relu,
                          std::optional<Recomputation>* recomputation) {
    const at::Tensor input = in_order(x, x.scalar_type());
    const at::Tensor added = residual ? in_order(*residual, x.scalar_type()) : at::Tensor();
    const ImagePass pass = pass_over(input);
    const BatchMoments moments = moments_of(pass, NhwcView(input));
    update_running_stats(parameters, moments);
    const BatchNormCoefficients coefficients(moments, gamma, beta, parameters.epsilon);
    at::Tensor result = at::empty_like(input);
    normalize(pass, NhwcView(input), coefficients.scale(), coefficients.shift(), NhwcView(added), relu,
              NhwcView(result));

    context->save_for_backward({input, gamma, coefficients.values(),
                                Activation::keeps_result(relu, residual.has_value()) ? result : at::Tensor()});
    NormalizedBatch{moments.count, moments.exchange}.save(context);
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.has_value();
    if (!residual) *recomputation = recompute_norm(input, coefficients, relu);
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &gamma = saved[1];
    const BatchNormCoefficients coefficients(saved[2]);
    const Activation activation{context->saved_data["relu"].toBool(), saved[3]};
    const at::Tensor gradient = in_order(gradients[0], input.scalar_type());
    // Without a mask, the residual's gradient is the incoming gradient.
    at::Tensor masked;
    if (context->saved_data["residual"].toBool()) masked = activation.relu ? at::empty_like(gradient) : gradient;
    const NormalizedImages maps(pass_over(input), input, gradient, coefficients, activation);
    const NormalizationGradient factors =
        reduce_gradient(maps, gamma, NormalizedBatch::restored(context),
                        NhwcView(masked.defined() && activation.relu ? masked : at::Tensor()));
    at::Tensor input_gradient = at::empty_like(input);
    const NhwcView input_gradients(input_gradient);
    const ImagePass& pass = maps.pass();
    each_part(pass, [&](int64_t pixel, int64_t pixels) {
      pass.kernels.normalization_gradient(maps.from(0, pixel), factors.a.data(), factors.b.data(), factors.k.data(),
                                          input_gradients.pixel(0, pixel), pixels, pass.channels);
    });
    return {input_gradient, factors.gamma_gradient(), factors.beta_gradient(), masked, at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

int64_t ImagePass::parts_of_image() const {
  // Sums of single parts are combined in double: that must stay a small part of the work.
  constexpr int64_t kFewPixels = 4096, kManyParts = 256;
  for (int64_t parts = (pixels + kFewPixels - 1) / kFewPixels; parts <= kManyParts; ++parts)
    if (parts > 0 && pixels % parts == 0) return parts;
  return 1;
}

void add_moments(const ImagePass& pass, const NhwcView& x, int64_t first, int64_t last, ImageMoments& moments) {
  const int64_t pixels = pass.part_pixels();
  for (int64_t k = first; k < last; ++k)
    pass.kernels.moments(x.pixel(0, k * pixels), pixels, pass.channels, moments.mean(k), moments.m2(k));
}

void add_moments(const ImagePass& pass, const NhwcView& x, ImageMoments& moments) {
  parallel_for_ranges(pass.parts(),
                      [&](int64_t first, int64_t last, int64_t) { add_moments(pass, x, first, last, moments); });
}

FoldedBatchNorm::FoldedBatchNorm(const ConvNormParameters& parameters) {
  const at::Tensor factor =
      parameters.gamma.to(at::kDouble) / (parameters.running_variance.to(at::kDouble) + parameters.epsilon).sqrt();
  at::Tensor center = parameters.running_mean.to(at::kDouble);
  if (parameters.bias.defined()) center = center - parameters.bias.to(at::kDouble);
  scale = factor.to(at::kFloat);
  shift = (parameters.beta.to(at::kDouble) - factor * center).to(at::kFloat);
}

void update_running_stats(const ConvNormParameters& parameters, const BatchMoments& moments) {
  at::NoGradGuard no_grad;
  const double unbiased =
      static_cast<double>(moments.count) / static_cast<double>(std::max<int64_t>(1, moments.count - 1));
  at::Tensor mean = at::tensor(moments.mean, at::kDouble).to(parameters.running_mean.options());
  const at::Tensor variance =
      (at::tensor(moments.variance, at::kDouble) * unbiased).to(parameters.running_variance.options());
  if (parameters.bias.defined()) mean += parameters.bias;
  parameters.running_mean.mul_(1 - parameters.momentum).add_(mean, parameters.momentum);
  parameters.running_variance.mul_(1 - parameters.momentum).add_(variance, parameters.momentum);
}

void normalize(const ImagePass& pass, const NhwcView& x, const float* scale, const float* shift,
               const NhwcView& residuals, bool relu, const NhwcView& results) {
  each_part(pass, [&](int64_t pixel, int64_t pixels) {
    pass.kernels.normalize(x.pixel(0, pixel), scale, shift, residuals.pixel(0, pixel), relu, results.pixel(0, pixel),
                           pixels, pass.channels);
  });
}

Recomputation recompute_norm(const at::Tensor& x, const BatchNormCoefficients& coefficients, bool relu) {
  return {{x, coefficients.values()}, relu ? &make_normalized<true> : &make_normalized<false>};
}

NormalizedMap NormalizedImages::from(int64_t image, int64_t pixel) const {
  return {.gradient = gradients_.pixel(image, pixel),
          .x = x_.pixel(image, pixel),
          .mean = coefficients_.mean(),
          .active = actives_.pixel(image, pixel),
          .scale = cut_by_input_ ? coefficients_.scale() : nullptr,
          .shift = coefficients_.shift()};
}

NormalizationGradient reduce_gradient(const NormalizedImages& maps, const at::Tensor& gamma,
                                      const NormalizedBatch& batch, const NhwcView& masks) {
  const ImagePass& pass = maps.pass();
  ImageSums sums(pass.parts(), pass.channels);
  each_part(pass, [&](int64_t pixel, int64_t pixels) {
    const int64_t part = pixel / pixels;
    pass.kernels.reduce_gradient(maps.from(0, pixel), masks.pixel(0, pixel), sums.sum(part), sums.product(part), pixels,
                                 pass.channels);
  });
  return NormalizationGradient(sums, maps.coefficients().inverse(), gamma, batch);
}

StatisticsExchange* exchange_of(const ConvNormParameters& parameters) {
  return parameters.training ? statistics_exchange() : nullptr;
}

at::Tensor batch_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual,
                                bool relu) {
  at::Tensor result;
  if (StatisticsExchange* exchange = exchange_of(parameters)) {
    SyncedNormalized normalized =
        synced_batch_norm(x, parameters.gamma, parameters.beta, parameters.epsilon, *exchange);
    update_running_stats(without_bias(parameters), normalized.moments);
    result = std::move(normalized.values);
  } else {
    result = at::batch_norm(x, parameters.gamma, parameters.beta, parameters.running_mean, parameters.running_variance,
                            parameters.training, parameters.momentum, parameters.epsilon, /*cudnn_enabled=*/true);
  }
  // In place: no other reader holds the tensor.
  if (residual.defined()) result.add_(residual);
  return relu ? result.relu_() : result;
}

LazyTensor batch_norm(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual,
                      bool relu) {
  if (parameters.training && x.dim() == 4 && x.size(1) > 0) require_several_values(x.numel() / x.size(1));
  if (auto result = batch_norm_on_device(x, parameters, residual, relu)) return *result;
  const bool differentiates = at::GradMode::is_enabled();
  const bool is_frozen = !parameters.training && !requires_gradient({parameters.gamma, parameters.beta});
  const bool fast = !takes_reference_path() && x.is_cpu() && x.dim() == 4 && x.numel() > 0 &&
                    map_kernels(x.scalar_type()) != nullptr && parameters.gamma.scalar_type() == at::kFloat &&
                    (parameters.training || is_frozen);
  if (!fast) return batch_norm_reference(x, parameters, residual, relu);
  const ConvNormParameters own = without_bias(parameters);
  if (parameters.training) {
    std::optional<Recomputation> recomputation;
    const at::Tensor result = BatchNormFunction::apply(x, parameters.gamma, parameters.beta, where_defined(residual),
                                                       own, relu, &recomputation);
    return {result, differentiates ? std::move(recomputation) : std::nullopt};
  }
  const FoldedBatchNorm folded_norm(own);
  return affine_map(x, folded_norm.scale, folded_norm.shift, residual, relu);
}

}  // namespace reviewkd::ops
