#pragma once
// ShuffleNet for 32×32 images: bottlenecks of grouped 1×1 convolutions with a channel shuffle that mixes the groups.
// Zhang, Zhou, Lin, Sun: "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices" (CVPR
// 2018), in the variant (a 1×1 stem without strides) and with the state-dict names of the code shared by knowledge
// distillation papers (RepDistiller, models/ShuffleNetv1.py), which keeps PyTorch's default initialisation.

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "core/models/layers.h"

namespace reviewkd {

struct ShuffleBottleneckOptions {
  int64_t in_channels;
  /// Output channels of the whole block. The bottleneck has a quarter of the channels that its convolutions add.
  int64_t out_channels;
  /// 2 concatenates the averaged input with the result; 1 adds the input.
  int64_t stride;
  /// Groups of the first 1×1 convolution, after which the channels are shuffled.
  int64_t in_groups;
  /// Groups of the last 1×1 convolution.
  int64_t out_groups;
};

/// Grouped 1×1, shuffle, depthwise 3×3, grouped 1×1, with a shortcut.
class ShuffleBottleneckImpl : public torch::nn::Module {
 public:
  explicit ShuffleBottleneckImpl(const ShuffleBottleneckOptions& options);

  /// x: [N, in, H, W] -> [N, out, H / stride, W / stride], on both sides of the last ReLU.
  StageFeature forward(const at::Tensor& x);

 private:
  ShuffleBottleneckOptions options_;
  torch::nn::Conv2d conv1, conv2, conv3;
  torch::nn::BatchNorm2d bn1, bn2, bn3;
  ConvNorm first_, second_, third_;
};
TORCH_MODULE(ShuffleBottleneck);

struct ShuffleNetV1Options {
  int64_t groups = 3;
  /// Channels and blocks of the three stages.
  std::array<int64_t, 3> channels = {240, 480, 960};
  std::array<int64_t, 3> blocks = {4, 8, 4};
  int64_t num_classes = 100;
};

class ShuffleNetV1Impl : public BackboneImpl {
 public:
  explicit ShuffleNetV1Impl(const ShuffleNetV1Options& options);

  /// Differs from the reference: it averages over windows of 4×4, which at 32×32 is the whole map; this averages the
  /// whole map at every size.
  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  ShuffleNetV1Options options_;
  torch::nn::Conv2d conv1;
  torch::nn::BatchNorm2d bn1;
  ConvNorm stem_;  // conv1 and bn1
  std::array<torch::nn::ModuleList, 3> stages_;
  torch::nn::Linear linear;
};
TORCH_MODULE(ShuffleNetV1);

}  // namespace reviewkd
