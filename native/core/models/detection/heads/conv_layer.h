#pragma once
// Convolutions with a bias and no normalization, in pyramids and heads: torchvision's Conv2dNormActivation without a
// norm, whose convolution is the module "0".

#include <torch/nn/pimpl.h>

#include "core/models/layers.h"

namespace reviewkd::detection {

class ConvLayerImpl : public torch::nn::Module {
 public:
  /// A square kernel of odd size with stride 1, which keeps the size of its input.
  ConvLayerImpl(int64_t in_channels, int64_t out_channels, int64_t kernel);

  /// x: [N, in, H, W] -> conv(x) + residual (if any): [N, out, H, W].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual = {}) { return convolution_(x, residual); }
  /// ReLU of conv(x).
  at::Tensor relu(const at::Tensor& x) { return convolution_.relu(x); }

  const torch::nn::Conv2d& layer() const { return convolution_.layer(); }

 private:
  BiasedConv convolution_;
};
TORCH_MODULE(ConvLayer);

}  // namespace reviewkd::detection
