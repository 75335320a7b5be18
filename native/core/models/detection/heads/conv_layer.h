#pragma once
// Convolutions with a bias and no normalization, in pyramids and heads: torchvision's Conv2dNormActivation without a
// norm, whose convolution is the module "0".

#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include "core/models/layers.h"

namespace reviewkd::detection {

class ConvLayerImpl : public torch::nn::Module {
 public:
  /// A square kernel of odd size with stride 1, which keeps the size of its input.
  ConvLayerImpl(int64_t in_channels, int64_t out_channels, int64_t kernel);

  /// x: [N, in, H, W] -> [N, out, H, W].
  at::Tensor forward(const at::Tensor& x);
  /// ReLU of the above.
  at::Tensor relu(const at::Tensor& x);

 private:
  torch::nn::Conv2d convolution_;
};
TORCH_MODULE(ConvLayer);

/// x: [N, in, H, W] -> the convolution of x with its bias, and ReLU if requested: [N, out, H', W'].
at::Tensor convolve(const torch::nn::Conv2d& layer, const at::Tensor& x, bool relu = false);

}  // namespace reviewkd::detection
