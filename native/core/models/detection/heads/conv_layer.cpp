#include "core/models/detection/heads/conv_layer.h"

#include <ATen/ATen.h>

namespace reviewkd::detection {
namespace nn = torch::nn;

ConvLayerImpl::ConvLayerImpl(int64_t in_channels, int64_t out_channels, int64_t kernel)
    : convolution_(
          register_module("0", conv2d(nn::Conv2dOptions(in_channels, out_channels, kernel).padding(kernel / 2)))) {}

at::Tensor ConvLayerImpl::forward(const at::Tensor& x) { return convolve(convolution_, x); }

at::Tensor ConvLayerImpl::relu(const at::Tensor& x) { return convolve(convolution_, x, /*relu=*/true); }

at::Tensor convolve(const nn::Conv2d& layer, const at::Tensor& x, bool relu) {
  const auto& options = layer->options;
  const at::Tensor result = at::conv2d(x, layer->weight, layer->bias, options.stride()->front(),
                                       std::get<torch::ExpandingArray<2>>(options.padding())->front());
  return relu ? at::relu(result) : result;
}

}  // namespace reviewkd::detection
