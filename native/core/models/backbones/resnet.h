#pragma once
// ResNets for CIFAR and for ImageNet.
// He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (CVPR 2016), with projection shortcuts and the
// state-dict names of torchvision and of the code shared by knowledge distillation papers.

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <vector>

#include "core/models/backbone.h"
#include "core/models/backbones/residual_blocks.h"

namespace reviewkd {

enum class ResNetBlock { kBasic, kBottleneck };

/// The layers before the first stage: a 3×3 convolution that keeps the size, or a 7×7 convolution and a max pooling
/// that halve it each.
enum class ResNetStem { kCifar, kImageNet };

struct ResNetOptions {
  ResNetStem stem = ResNetStem::kCifar;
  int64_t stem_channels;
  ResNetBlock block = ResNetBlock::kBasic;
  /// Blocks of each stage, shallow to deep.
  std::vector<int64_t> blocks;
  /// Channels of the 3×3 convolutions of each stage; the output of a bottleneck stage has four times as many.
  std::vector<int64_t> channels;
  /// State-dict names of projections and of the linear layer.
  std::string shortcut_name = "downsample";
  std::string classifier_name = "fc";
  int64_t num_classes = 100;
};

/// Section 4.2: depth 6n + 2, three stages of n basic blocks for images of 32×32. `width` 4 gives the ×4 networks,
/// whose stem is only twice as wide.
ResNetOptions small_cifar_resnet(int64_t depth, int64_t width, int64_t num_classes);

/// Table 1 with the stem of the smaller CIFAR networks; depth 18, 34, 50, 101 or 152.
ResNetOptions large_cifar_resnet(int64_t depth, int64_t num_classes);

/// Table 1; depth 18, 34, 50, 101 or 152.
ResNetOptions imagenet_resnet(int64_t depth, int64_t num_classes);

class ResNetImpl : public BackboneImpl {
 public:
  explicit ResNetImpl(const ResNetOptions& options);

  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<StageFeature> forward_stages(const at::Tensor& images) override;
  std::vector<at::Tensor> forward_activated_stages(const at::Tensor& images) override;
  Trunk trunk() override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  ops::LazyTensor forward_stem(const at::Tensor& images);

  ResNetOptions options_;
  torch::nn::Conv2d conv1;
  torch::nn::BatchNorm2d bn1;
  ConvNorm stem_;
  std::vector<torch::nn::ModuleList> stages_;
  torch::nn::Linear classifier_;
};
TORCH_MODULE(ResNet);

}  // namespace reviewkd
