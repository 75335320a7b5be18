#include "core/ops/conv_norm/affine_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/conv_norm/convolution_gradients.h"
#include "core/ops/conv_norm/gradient_rows.h"
#include "core/ops/conv_norm/normalization.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

const float* values_of(const at::Tensor& channels) {
  return channels.defined() ? channels.const_data_ptr<float>() : nullptr;
}

/// Whether the rows of images may count as images: the kernel is a pixel, and products of matrices take any number of
/// them. Threads then share few images evenly, and need less memory.
bool takes_rows(const ImageConvolution& convolution) {
  const ConvolutionShape& shape = convolution.shape();
  return convolution.order() == PackedOrder::kMatrix && shape.kernel == 1 && shape.stride == 1 && shape.padding == 0;
}

/// [N, C, H, W] -> [N · H, C, 1, W]; undefined if x is.
at::Tensor rows_as_images(const at::Tensor& x) {
  if (!x.defined()) return x;
  return x.permute({0, 2, 3, 1}).reshape({x.size(0) * x.size(2), 1, x.size(3), x.size(1)}).permute({0, 3, 1, 2});
}

/// The reverse.
at::Tensor images_of_rows(const at::Tensor& rows, int64_t images) {
  return rows.permute({0, 2, 3, 1})
      .reshape({images, rows.size(0) / images, rows.size(3), rows.size(1)})
      .permute({0, 3, 1, 2});
}

/// The layer on rows as images.
AffineConvolution layer_on_rows(AffineConvolution layer) {
  layer.residual = rows_as_images(layer.residual);
  return layer;
}

/// Σ of the masked gradient over pixels: [C].
at::Tensor channel_sums(const GradientRows& rows, int64_t images, int64_t height, int64_t channels) {
  // In parts of as many rows each, so that the result does not depend on the number of threads.
  constexpr int64_t kRows = 64;
  const int64_t parts = (height + kRows - 1) / kRows;
  at::Tensor sums = at::zeros({images * parts, 2, channels}, at::kFloat);
  parallel_for_ranges(images * parts, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t k = first; k < last; ++k) {
      float* const own = sums.data_ptr<float>() + k * 2 * channels;
      const int64_t start = k % parts * kRows;
      for (int64_t r = start; r < std::min(height, start + kRows); ++r) rows.add(k / parts, r, own, own + channels);
    }
  });
  return sums.select(1, 0).sum(0);
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(AffineConvolutionFunction) {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                               const std::optional<at::Tensor>& shift, const std::optional<at::Tensor>& residual,
                               const AffineConvolution& layer, const ImageConvolution& convolution, at::ScalarType type,
                               bool forks) {
    const at::Tensor input = in_order(x, type);
    const at::Tensor result =
        affine_convolution_forward(input, layer, convolution, type, convolution.pack(weight, values_of(layer.scale)));
    context->save_for_backward({input, weight, layer.scale, layer.relu ? result : at::Tensor()});
    context->saved_data["stride"] = layer.stride;
    context->saved_data["padding"] = layer.padding;
    context->saved_data["sums"] = shift.has_value() && shift->requires_grad();
    context->saved_data["residual"] = residual.has_value() && residual->requires_grad();
    context->saved_data["input_type"] = static_cast<int64_t>(x.scalar_type());
    return forks ? variable_list{result, x} : variable_list{result};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1], &scale = saved[2], &result = saved[3];
    const at::ScalarType type = input.scalar_type();
    const auto convolution = image_convolution(input.sizes(), weight, context->saved_data["stride"].toInt(),
                                               context->saved_data["padding"].toInt(), type);
    const ConvolutionShape& shape = convolution->shape();
    const at::Tensor gradient = in_order(gradients[0], type);
    const GradientRows rows(gradient, result, scale);
    // Without a mask, the residual's gradient is the incoming gradient.
    at::Tensor masked;
    if (context->saved_data["residual"].toBool()) masked = result.defined() ? at::empty_like(gradient) : gradient;

    OutputGradientSource source{{}, gradient};
    const NhwcView masks(masked);
    if (result.defined() || scale.defined() || convolution->has_gradient_border()) {
      source.write_row = [&](int64_t image, int64_t row, void* to) {
        if (masked.defined() && result.defined()) rows.write(image, row, masks.pixel(image, row * shape.out_width), to);
        else rows.write(image, row, to);
      };
    }
    const NeededGradients needed{
        .input = context->needs_input_grad(0),
        .weight = context->needs_input_grad(1),
        .added = gradients.size() > 1 && gradients[1].defined() ? in_order(gradients[1], type) : at::Tensor()};
    auto [input_gradient, weight_gradient] =
        convolution_gradients(*convolution, weight, SavedActivation(input, std::nullopt), source, needed);
    at::Tensor shift_gradient;
    if (context->saved_data["sums"].toBool())
      shift_gradient = channel_sums(rows, gradient.size(0), shape.out_height, shape.out_channels);
    const auto input_type = static_cast<at::ScalarType>(context->saved_data["input_type"].toInt());
    if (needed.input && input_type != type) input_gradient = input_gradient.to(input_type);
    return {input_gradient, weight_gradient, shift_gradient, masked,
            at::Tensor(),   at::Tensor(),    at::Tensor(),   at::Tensor()};
  }
};

REVIEWKD_AUTOGRAD_FUNCTION(AffineMapFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& x, const std::optional<at::Tensor>& residual,
                          const at::Tensor& scale, const at::Tensor& shift, bool relu) {
    const at::Tensor input = in_order(x, x.scalar_type());
    const at::Tensor added = residual ? in_order(*residual, x.scalar_type()) : at::Tensor();
    at::Tensor result = at::empty_like(input);
    normalize({x.size(0), x.size(2) * x.size(3), x.size(1), map_kernels(x.scalar_type())->channels}, NhwcView(input),
              values_of(scale), values_of(shift), NhwcView(added), relu, NhwcView(result));
    context->save_for_backward({scale, relu ? result : at::Tensor()});
    context->saved_data["residual"] = residual.has_value();
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &scale = saved[0], &result = saved[1];
    const at::Tensor gradient =
        in_order(gradients[0], result.defined() ? result.scalar_type() : gradients[0].scalar_type());
    at::Tensor input_gradient = at::empty_like(gradient), masked;
    if (context->saved_data["residual"].toBool()) masked = result.defined() ? at::empty_like(gradient) : gradient;
    const GradientRows rows(gradient, result, scale);
    const NhwcView to(input_gradient), masks(masked);
    const int64_t height = gradient.size(2), width = gradient.size(3);
    parallel_for_ranges(gradient.size(0) * height, [&](int64_t first, int64_t last, int64_t) {
      for (int64_t k = first; k < last; ++k) {
        const int64_t image = k / height, row = k % height;
        if (masked.defined() && result.defined())
          rows.write(image, row, masks.pixel(image, row * width), to.pixel(image, row * width));
        else rows.write(image, row, to.pixel(image, row * width));
      }
    });
    return {input_gradient, masked, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

AffineResult affine_convolution(const at::Tensor& x, const AffineConvolution& layer,
                                const ImageConvolution& convolution, at::ScalarType type, bool forks) {
  if (takes_rows(convolution) && x.size(2) > 1) {
    const at::Tensor rows = rows_as_images(x);
    const auto by_rows = image_convolution(rows.sizes(), layer.weight, layer.stride, layer.padding, type);
    const auto [result, fork] = affine_convolution(rows, layer_on_rows(layer), *by_rows, type, forks);
    return {images_of_rows(result, x.size(0)), forks ? images_of_rows(fork, x.size(0)) : x};
  }
  const variable_list results = AffineConvolutionFunction::apply(
      x, layer.weight, where_defined(layer.shift), where_defined(layer.residual), layer, convolution, type, forks);
  return {results[0], forks ? results[1] : x};
}

at::Tensor affine_convolution_forward(const at::Tensor& x, const AffineConvolution& layer,
                                      const ImageConvolution& convolution, at::ScalarType type,
                                      const at::Tensor& packed) {
  if (takes_rows(convolution) && x.size(2) > 1) {
    const at::Tensor rows = rows_as_images(x);
    const auto by_rows = image_convolution(rows.sizes(), layer.weight, layer.stride, layer.padding, type);
    return images_of_rows(affine_convolution_forward(rows, layer_on_rows(layer), *by_rows, type, packed), x.size(0));
  }
  const at::Tensor input = in_order(x, type);
  const at::Tensor added = layer.residual.defined() ? in_order(layer.residual, type) : layer.residual;
  const float* const shift = values_of(layer.shift);
  at::Tensor result = empty_output(x.size(0), convolution.shape(), type);
  const NhwcView images(input), residuals(added), results(result);
  const auto work = [&](int64_t n, int64_t group, const WorkShare& share, int64_t) {
    convolution.forward(images[n], group, packed, shift, residuals[n], layer.relu, results[n], share);
  };
  parallel_for_groups(convolution, x.size(0), convolution.most_shares(), work);
  return result;
}

at::Tensor biased_convolution_reference(const at::Tensor& x, const ConvNormParameters& parameters,
                                        const at::Tensor& residual, bool relu) {
  at::Tensor result =
      at::conv2d(x, parameters.weight, parameters.bias, parameters.stride, parameters.padding, 1, parameters.groups);
  if (residual.defined()) result = result + residual;
  return relu ? at::relu(result) : result;
}

at::Tensor biased_convolution(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                              const at::Tensor& residual, bool relu) {
  const at::ScalarType type = computing_type(x);
  const auto convolution =
      takes_reference_path() || !x.is_cpu() || parameters.groups != 1
          ? nullptr
          : image_convolution(x.sizes(), parameters.weight, parameters.stride, parameters.padding, type);
  if (!convolution || (requires_gradient({x}) && !convolution->has_input_gradient()))
    return biased_convolution_reference(x, parameters, residual, relu);
  const AffineConvolution layer{.weight = parameters.weight,
                                .scale = {},
                                .shift = parameters.bias,
                                .residual = residual,
                                .stride = parameters.stride,
                                .padding = parameters.padding,
                                .relu = relu};
  if (requires_gradient({x, parameters.weight, parameters.bias, residual}))
    return affine_convolution(x, layer, *convolution, type, /*forks=*/false).layer;
  const auto pack = [&]() -> FoldedWeights::Folded { return {convolution->pack(parameters.weight), parameters.bias}; };
  const bool keeps = takes_parts() || !convolution->repacks_for(x.size(0));
  const auto packed = folded.get(parameters, type, pack, keeps, convolution->order());
  return affine_convolution_forward(x, layer, *convolution, type, packed->packed);
}

at::Tensor affine_map(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& residual,
                      bool relu) {
  return AffineMapFunction::apply(x, where_defined(residual), scale, shift, relu);
}

}  // namespace reviewkd::ops
