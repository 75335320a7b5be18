#include "core/models/layers.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/models/freezable_batch_norm.h"
#include "core/ops/conv_norm/affine_convolution.h"
#include "core/ops/conv_norm/batch_counters.h"
#include "core/ops/conv_norm/normalization.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

void give_shape(at::Tensor& parameter, at::IntArrayRef shape) {
  parameter.set_data(at::empty(shape, parameter.options().requires_grad(false)));
}

/// The parameters of a convolution alone, with these values.
ops::ConvNormParameters convolution_of(const nn::Conv2d& layer, const at::Tensor& weight, const at::Tensor& bias) {
  const auto& options = layer->options;
  ops::ConvNormParameters parameters{};
  parameters.weight = weight;
  parameters.bias = bias;
  parameters.stride = options.stride()->front();
  parameters.padding = std::get<torch::ExpandingArray<2>>(options.padding())->front();
  parameters.groups = options.groups();
  return parameters;
}

}  // namespace

nn::Conv2d conv2d(const nn::Conv2dOptions& options) {
  // Constructed with the fewest channels that the groups allow, because the constructor draws values.
  const int64_t groups = options.groups();
  nn::Conv2d layer(nn::Conv2dOptions(options).in_channels(groups).out_channels(groups));
  layer->options.in_channels(options.in_channels()).out_channels(options.out_channels());
  const auto& kernel = *options.kernel_size();
  give_shape(layer->weight, {options.out_channels(), options.in_channels() / groups, kernel[0], kernel[1]});
  if (options.bias()) give_shape(layer->bias, {options.out_channels()});
  return layer;
}

nn::Conv2d conv3x3(int64_t in_channels, int64_t out_channels, int64_t stride, int64_t groups) {
  return conv2d(nn::Conv2dOptions(in_channels, out_channels, 3).stride(stride).padding(1).groups(groups).bias(false));
}

nn::Conv2d conv1x1(int64_t in_channels, int64_t out_channels, int64_t stride, int64_t groups) {
  return conv2d(nn::Conv2dOptions(in_channels, out_channels, 1).stride(stride).groups(groups).bias(false));
}

nn::BatchNorm2d batch_norm(int64_t channels) {
  return nn::BatchNorm2d(
      std::static_pointer_cast<nn::BatchNorm2dImpl>(std::make_shared<FreezableBatchNorm2dImpl>(channels)));
}

nn::Linear linear(int64_t in_features, int64_t out_features) {
  nn::Linear layer(nn::LinearOptions(1, 1));
  layer->options.in_features(in_features).out_features(out_features);
  give_shape(layer->weight, {out_features, in_features});
  give_shape(layer->bias, {out_features});
  return layer;
}

Norm::Norm(nn::BatchNorm2d norm) : norm_(std::move(norm)) {}

ops::LazyTensor Norm::run(const at::Tensor& x, bool relu) { return ops::batch_norm(x, parameters(), {}, relu); }

ops::ConvNormParameters Norm::parameters() {
  double momentum = 0.0;
  if (norm_->is_training()) {
    if (norm_->options.momentum()) {
      ops::count_batch(norm_->num_batches_tracked);
      momentum = *norm_->options.momentum();
    } else {
      // Statistics are the mean over all batches.
      norm_->num_batches_tracked.add_(1);
      momentum = 1.0 / norm_->num_batches_tracked.item<double>();
    }
  }
  return {
      .weight = {},
      .bias = {},
      .stride = 1,
      .padding = 0,
      .groups = 1,
      .gamma = norm_->weight,
      .beta = norm_->bias,
      .running_mean = norm_->running_mean,
      .running_variance = norm_->running_var,
      .epsilon = norm_->options.eps(),
      .momentum = momentum,
      .training = norm_->is_training(),
  };
}

ConvNorm::ConvNorm(nn::Conv2d convolution, nn::BatchNorm2d norm)
    : convolution_(std::move(convolution)), norm_(std::move(norm)) {}

ops::LazyTensor ConvNorm::run(const ops::LazyTensor& x, const at::Tensor& residual, bool relu) {
  return ops::conv_norm(x, parameters(), *folded_, residual, relu);
}

ops::WithShortcut ConvNorm::relu_with_shortcut(const ops::LazyTensor& x) {
  return ops::conv_norm_with_shortcut(x, parameters(), *folded_, /*relu=*/true);
}

ops::Activated ConvNorm::activated(const ops::LazyTensor& x, const at::Tensor& residual) {
  return ops::activated_conv_norm(x, parameters(), *folded_, residual);
}

ops::ConvNormParameters ConvNorm::parameters() {
  ops::ConvNormParameters parameters = norm_.parameters();
  const ops::ConvNormParameters convolution = convolution_of(convolution_, convolution_->weight, convolution_->bias);
  parameters.weight = convolution.weight;
  parameters.bias = convolution.bias;
  parameters.stride = convolution.stride;
  parameters.padding = convolution.padding;
  parameters.groups = convolution.groups;
  return parameters;
}

at::Tensor BiasedConv::run(const at::Tensor& x, const at::Tensor& residual, bool relu) const {
  return ops::biased_convolution(x, convolution_of(convolution_, convolution_->weight, convolution_->bias), *folded_,
                                 residual, relu);
}

at::Tensor convolve_pixels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, bool relu) {
  ops::ConvNormParameters parameters{};
  parameters.weight = weight;
  parameters.bias = bias;
  parameters.stride = 1;
  parameters.padding = 0;
  ops::FoldedWeights unused;
  return ops::biased_convolution(x, parameters, unused, {}, relu);
}

std::vector<at::Tensor> convolve_together(const at::Tensor& x, const std::vector<nn::Conv2d>& layers) {
  std::vector<at::Tensor> weights, biases;
  std::vector<int64_t> channels;
  for (const auto& layer : layers) {
    weights.push_back(layer->weight);
    biases.push_back(layer->bias);
    channels.push_back(layer->weight.size(0));
  }
  ops::FoldedWeights unused;  // the joined weights are others each time
  return ops::biased_convolution(x, convolution_of(layers.front(), at::cat(weights), at::cat(biases)), unused, {},
                                 /*relu=*/false)
      .split_with_sizes(channels, 1);
}

ConvNormChain::ConvNormChain(const nn::Sequential& layers) {
  for (size_t i = 0; i < layers->size(); ++i) {
    const auto layer = layers->ptr(i);
    if (layer->as<nn::ReLU>() != nullptr && !links_.empty()) {
      links_.back().relu = true;
      continue;
    }
    const auto convolution = std::dynamic_pointer_cast<nn::Conv2dImpl>(layer);
    const auto norm = ++i < layers->size() ? std::dynamic_pointer_cast<nn::BatchNorm2dImpl>(layers->ptr(i)) : nullptr;
    if (!convolution || !norm)
      fail(ErrorCode::kInternal, "invalid layers: expected convolutions followed by batch normalizations, received ",
           layer->name(), ".");
    links_.push_back({ConvNorm(nn::Conv2d(convolution), nn::BatchNorm2d(norm)), false});
  }
}

ops::LazyTensor ConvNormChain::operator()(const ops::LazyTensor& x, const at::Tensor& residual, bool relu) {
  ops::LazyTensor result = x;
  for (auto& link : links_) {
    const bool is_last = &link == &links_.back();
    const at::Tensor added = is_last ? residual : at::Tensor();
    result = link.relu || (is_last && relu) ? link.layers.relu(result, added) : link.layers(result, added);
  }
  return result;
}

nn::ReLU relu_in_place() { return nn::ReLU(nn::ReLUOptions(/*inplace=*/true)); }

at::Tensor shuffle_channels(const at::Tensor& x, int64_t groups) {
  return x
      .unflatten(1, {groups, -1})  // [N, g, C / g, H, W]
      .transpose(1, 2)                 // [N, C / g, g, H, W]
      .flatten(1, 2);                  // [N, C, H, W]
}

ImageSize stride2_size(ImageSize size) { return {(size.height + 1) / 2, (size.width + 1) / 2}; }

void require_pixels(ImageSize image, ImageSize smallest) {
  if (image.height >= smallest.height && image.width >= smallest.width) return;
  fail(ErrorCode::kShapeMismatch, "invalid images: expected at least ", smallest.height, "×", smallest.width,
       " pixels for this network, received ", image.height, "×", image.width, ". Use larger images.");
}

}  // namespace reviewkd
