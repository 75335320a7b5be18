#pragma once
// The two blocks that ResNets are made of: convolutions around a shortcut.
// He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (CVPR 2016), figures 2 and 5; the bottleneck has its
// stride on the 3×3 convolution, as torchvision's and the distillation papers' code have it.

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <optional>
#include <string>

#include "core/models/layers.h"

namespace reviewkd {

struct ResidualBlockOptions {
  int64_t in_channels;
  /// Channels of the 3×3 convolutions.
  int64_t channels;
  int64_t stride = 1;
  /// State-dict name of the projection that stands in for the shortcut where the shape changes.
  std::string shortcut_name = "downsample";
};

class ResidualBlockImpl : public torch::nn::Module {
 public:
  /// x: [N, in, H, W] -> the sum of branch and shortcut, after the ReLU or before it: [N, out, H / stride, W / stride], rounded
  /// up. The result is the caller's alone.
  virtual at::Tensor forward(const at::Tensor& x, bool relu) = 0;

 protected:
  /// Comes after the branch's layers: state dicts have this order.
  void register_shortcut(const ResidualBlockOptions& options, int64_t out_channels);

  /// BN(conv(hidden)) + x, which is projected where the block changes its shape; under a ReLU or not.
  at::Tensor joined(ConvNorm& last, const ops::Map& hidden, const at::Tensor& x, bool relu);

 private:
  std::optional<ConvNormChain> projection_;
};

/// Two 3×3 convolutions.
class BasicBlockImpl : public ResidualBlockImpl {
 public:
  static constexpr int64_t kExpansion = 1;

  explicit BasicBlockImpl(const ResidualBlockOptions& options);
  at::Tensor forward(const at::Tensor& x, bool relu) override;

 private:
  torch::nn::Conv2d conv1, conv2;
  torch::nn::BatchNorm2d bn1, bn2;
  ConvNorm first_, second_;
};
TORCH_MODULE(BasicBlock);

/// A 3×3 convolution between a 1×1 convolution that narrows and one that widens.
class BottleneckImpl : public ResidualBlockImpl {
 public:
  static constexpr int64_t kExpansion = 4;

  explicit BottleneckImpl(const ResidualBlockOptions& options);
  at::Tensor forward(const at::Tensor& x, bool relu) override;

 private:
  torch::nn::Conv2d conv1, conv2, conv3;
  torch::nn::BatchNorm2d bn1, bn2, bn3;
  ConvNorm first_, second_, third_;
};
TORCH_MODULE(Bottleneck);

}  // namespace reviewkd
