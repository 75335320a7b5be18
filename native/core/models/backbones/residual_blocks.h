#pragma once
// The two building blocks of ResNets: convolutions around a shortcut.
// He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (CVPR 2016), figures 2 and 5; the bottleneck
// has its stride on the 3×3 convolution, as in torchvision and the code of distillation papers.

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
  /// State-dict name of the projection that replaces the shortcut if the shape changes.
  std::string shortcut_name = "downsample";
};

class ResidualBlockImpl : public torch::nn::Module {
 public:
  /// x: [N, in, H, W] -> ReLU of the sum of branch and shortcut: [N, out, H / stride, W / stride], rounded up. The
  /// caller owns the result exclusively.
  ops::LazyTensor forward(const ops::LazyTensor& x);
  /// The same, together with the sum before ReLU.
  ops::Activated forward_with_sum(const ops::LazyTensor& x);

 protected:
  /// The branch up to its last layer, and x for the shortcut.
  struct Branch {
    ops::LazyTensor hidden;
    at::Tensor x;
    ConvNorm& last;
  };
  virtual Branch branch(const ops::LazyTensor& x) = 0;

  /// Call after registering the branch's layers: state dicts have this order.
  void register_shortcut(const ResidualBlockOptions& options, int64_t out_channels);

 private:
  /// x, projected if the block changes its shape: [N, out, H / stride, W / stride].
  at::Tensor shortcut(const at::Tensor& x);

  std::optional<ConvNormChain> projection_;
};

/// Two 3×3 convolutions.
class BasicBlockImpl : public ResidualBlockImpl {
 public:
  static constexpr int64_t kExpansion = 1;

  explicit BasicBlockImpl(const ResidualBlockOptions& options);

 private:
  Branch branch(const ops::LazyTensor& x) override;

  torch::nn::Conv2d conv1, conv2;
  torch::nn::BatchNorm2d bn1, bn2;
  ConvNorm first_, second_;
};
TORCH_MODULE(BasicBlock);

/// A 3×3 convolution between a reducing and an expanding 1×1 convolution.
class BottleneckImpl : public ResidualBlockImpl {
 public:
  static constexpr int64_t kExpansion = 4;

  explicit BottleneckImpl(const ResidualBlockOptions& options);

  /// Moves the stride to the first convolution, where the original implementation has it (MSRA's and detectron2's
  /// weights).
  void stride_in_1x1();

 private:
  Branch branch(const ops::LazyTensor& x) override;

  torch::nn::Conv2d conv1, conv2, conv3;
  torch::nn::BatchNorm2d bn1, bn2, bn3;
  ConvNorm first_, second_, third_;
};
TORCH_MODULE(Bottleneck);

}  // namespace reviewkd
