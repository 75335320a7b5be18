#pragma once
// ShuffleNet V2 for 32×32 images: each block processes half of the channels, and a shuffle mixes the halves.
// Ma, Zhang, Zheng, Sun: "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (ECCV 2018), in
// the variant (a 1×1 stem without strides) and with the state-dict names of the code shared by knowledge distillation
// papers (RepDistiller, models/ShuffleNetv2.py), which keeps PyTorch's default initialisation.

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "core/models/layers.h"

namespace reviewkd {

/// Halves the map: two branches, both of which read all channels, shuffled together.
class ShuffleDownBlockImpl : public torch::nn::Module {
 public:
  ShuffleDownBlockImpl(int64_t in_channels, int64_t out_channels);

  /// x: [N, in, H, W] -> [N, out, H / 2, W / 2].
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::Conv2d conv1, conv2;         // the left branch
  torch::nn::Conv2d conv3, conv4, conv5;  // the right branch
  torch::nn::BatchNorm2d bn1, bn2, bn3, bn4, bn5;
  ConvNorm first_, second_, third_, fourth_, fifth_;
};
TORCH_MODULE(ShuffleDownBlock);

/// Keeps the map's shape: one half of the channels passes through, the other is convolved.
class ShuffleSplitBlockImpl : public torch::nn::Module {
 public:
  explicit ShuffleSplitBlockImpl(int64_t channels);

  /// x: [N, C, H, W] -> [N, C, H, W]. The last ReLU applies only to the convolved half; `before` is the unshuffled
  /// concatenation of the halves, as in the reference, which shuffles only `after`.
  StageFeature forward(const at::Tensor& x);

 private:
  int64_t half_;
  torch::nn::Conv2d conv1, conv2, conv3;
  torch::nn::BatchNorm2d bn1, bn2, bn3;
  ConvNorm first_, second_, third_;
};
TORCH_MODULE(ShuffleSplitBlock);

struct ShuffleNetV2Options {
  /// Channels of the three stages and of the last convolution.
  std::array<int64_t, 4> channels = {116, 232, 464, 1024};
  /// Number of shape-preserving blocks in each of the three stages, after one that halves the map.
  std::array<int64_t, 3> blocks = {3, 7, 3};
  int64_t num_classes = 100;
};

class ShuffleNetV2Impl : public BackboneImpl {
 public:
  explicit ShuffleNetV2Impl(const ShuffleNetV2Options& options);

  /// Differs from the reference: it averages over windows of 4×4, which at 32×32 is the whole map; this averages the
  /// whole map at every size.
  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  ShuffleNetV2Options options_;
  torch::nn::Conv2d conv1, conv2;
  torch::nn::BatchNorm2d bn1, bn2;
  ConvNorm stem_, last_;
  std::array<torch::nn::ModuleList, 3> stages_;
  torch::nn::Linear linear;
};
TORCH_MODULE(ShuffleNetV2);

}  // namespace reviewkd
