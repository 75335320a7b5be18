#include "core/ops/normalization.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "core/ops/dispatch.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

ImagePass pass_over(const at::Tensor& x) {
  return {x.size(0), x.size(2) * x.size(3), x.size(1), map_kernels(x.scalar_type())->channels};
}

BatchMoments moments_of(const ImagePass& pass, const Images& x) {
  ImageMoments moments(pass.images, pass.channels);
  each_range(pass.images, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t n = first; n < last; ++n) pass.kernels.moments(x[n], pass.pixels, pass.channels, moments.mean(n), moments.m2(n));
  });
  return combined(moments, pass.pixels);
}

}  // namespace

// With a name outside of this file: Windows imports the base class, which it does for no class without such a name.
class BatchNormFunction : public torch::autograd::Function<BatchNormFunction> {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                          const std::optional<at::Tensor>& residual, const ConvNormParameters& parameters, bool relu) {
    const at::Tensor input = in_order(x, x.scalar_type());
    const at::Tensor added = residual ? in_order(*residual, x.scalar_type()) : at::Tensor();
    const ImagePass pass = pass_over(input);
    const BatchMoments moments = moments_of(pass, Images(input));
    move_statistics(parameters, moments);
    const Normalizing normalizing(moments, gamma, beta, parameters.epsilon);
    at::Tensor result = at::empty_like(input);
    normalize(pass, Images(input), normalizing.scale.data(), normalizing.shift.data(), Images(added), relu, Images(result));

    context->save_for_backward({input, gamma, relu ? result : at::Tensor()});
    context->saved_data["mean"] = normalizing.mean_tensor();
    context->saved_data["inverse"] = normalizing.inverse_tensor();
    context->saved_data["residual"] = residual.has_value();
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &gamma = saved[1], &active = saved[2];
    const at::Tensor gradient = in_order(gradients[0], input.scalar_type());
    const at::Tensor mean = context->saved_data["mean"].toTensor();
    const ImagePass pass = pass_over(input);
    // Where nothing is masked, what is added gets the gradient as it came.
    at::Tensor masked;
    if (context->saved_data["residual"].toBool()) masked = active.defined() ? at::empty_like(gradient) : gradient;
    const Images inputs(input), actives(active), gradients_of(gradient);
    const NormalizationGradient coefficients =
        reduce_gradient(pass, gradients_of, actives, inputs, mean, context->saved_data["inverse"].toTensor(), gamma,
                        Images(masked.defined() && active.defined() ? masked : at::Tensor()));
    at::Tensor input_gradient = at::empty_like(input);
    const Images input_gradients(input_gradient);
    each_range(pass.images, [&](int64_t first, int64_t last, int64_t) {
      for (int64_t n = first; n < last; ++n) {
        pass.kernels.normalization_gradient(gradients_of[n], actives[n], inputs[n], mean.const_data_ptr<float>(), coefficients.a.data(), coefficients.b.data(),
                                            coefficients.k.data(), input_gradients[n], pass.pixels, pass.channels);
      }
    });
    return {input_gradient, coefficients.gamma_gradient(), coefficients.beta_gradient(), masked, at::Tensor(), at::Tensor()};
  }
};

void require_several_values(int64_t values) {
  if (values != 1) return;
  fail(ErrorCode::kBatchTooSmall, "expected at least 2 values in each channel for training, got 1: batch normalization over a single value is "
       "undefined. Use more or larger images.");
}

Folding::Folding(const ConvNormParameters& parameters) {
  const at::Tensor factor = parameters.gamma.to(at::kDouble) / (parameters.running_variance.to(at::kDouble) + parameters.epsilon).sqrt();
  at::Tensor center = parameters.running_mean.to(at::kDouble);
  if (parameters.bias.defined()) center = center - parameters.bias.to(at::kDouble);
  scale = factor.to(at::kFloat);
  shift = (parameters.beta.to(at::kDouble) - factor * center).to(at::kFloat);
}

void move_statistics(const ConvNormParameters& parameters, const BatchMoments& moments) {
  at::NoGradGuard no_grad;
  at::Tensor mean = at::empty_like(parameters.running_mean);
  at::Tensor variance = at::empty_like(parameters.running_variance);
  const double unbiased = static_cast<double>(moments.count) / static_cast<double>(std::max<int64_t>(1, moments.count - 1));
  for (int64_t c = 0; c < mean.numel(); ++c) {
    mean.data_ptr<float>()[c] = static_cast<float>(moments.mean[c]);
    variance.data_ptr<float>()[c] = static_cast<float>(moments.variance[c] * unbiased);
  }
  if (parameters.bias.defined()) mean += parameters.bias;
  parameters.running_mean.mul_(1 - parameters.momentum).add_(mean, parameters.momentum);
  parameters.running_variance.mul_(1 - parameters.momentum).add_(variance, parameters.momentum);
}

void normalize(const ImagePass& pass, const Images& x, const float* scale, const float* shift, const Images& residuals, bool relu,
               const Images& results) {
  each_range(pass.images, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t n = first; n < last; ++n) {
      pass.kernels.normalize(x[n], scale, shift, residuals[n], relu, results[n], pass.pixels, pass.channels);
    }
  });
}

NormalizationGradient reduce_gradient(const ImagePass& pass, const Images& gradients, const Images& actives, const Images& x,
                                      const at::Tensor& mean, const at::Tensor& inverse, const at::Tensor& gamma, const Images& masks) {
  ImageSums sums(pass.images, pass.channels);
  each_range(pass.images, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t n = first; n < last; ++n) {
      pass.kernels.reduce_gradient(gradients[n], actives[n], x[n], mean.const_data_ptr<float>(), masks[n], sums.sum(n), sums.product(n),
                                   pass.pixels, pass.channels);
    }
  });
  return NormalizationGradient(sums, inverse, gamma, pass.pixels);
}

at::Tensor batch_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu) {
  at::Tensor result = at::batch_norm(x, parameters.gamma, parameters.beta, parameters.running_mean, parameters.running_variance,
                                     parameters.training, parameters.momentum, parameters.epsilon, /*cudnn_enabled=*/true);
  // Nobody else holds what is written over.
  if (residual.defined()) result.add_(residual);
  return relu ? result.relu_() : result;
}

at::Tensor batch_norm(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu) {
  if (parameters.training && x.dim() == 4 && x.size(1) > 0) require_several_values(x.numel() / x.size(1));
  const bool differentiates = at::GradMode::is_enabled();
  const bool fast = !takes_reference_path() && x.is_cpu() && x.dim() == 4 && x.numel() > 0 && map_kernels(x.scalar_type()) != nullptr &&
                    parameters.gamma.scalar_type() == at::kFloat && (parameters.training || !differentiates);
  if (!fast) return batch_norm_reference(x, parameters, residual, relu);
  // The statistics are those of x as it is, a convolution's bias included.
  ConvNormParameters own = parameters;
  own.bias = at::Tensor();
  if (parameters.training) return BatchNormFunction::apply(x, parameters.gamma, parameters.beta, where_defined(residual), own, relu);
  const Folding folding(own);
  const at::Tensor input = in_order(x, x.scalar_type());
  const at::Tensor added = residual.defined() ? in_order(residual, x.scalar_type()) : residual;
  at::Tensor result = at::empty_like(input);
  normalize(pass_over(input), Images(input), folding.scale.const_data_ptr<float>(), folding.shift.const_data_ptr<float>(), Images(added), relu,
            Images(result));
  return result;
}

}  // namespace reviewkd::ops
