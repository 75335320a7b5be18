#pragma once
// ResNets for 32×32 images: depth 6n + 2, three stages of n basic blocks.
// He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (CVPR 2016), section 4.2, in the variant
// (projection shortcuts) and with the state-dict names of the code that knowledge distillation papers share.

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "core/models/backbone.h"

namespace reviewkd {

/// Two 3×3 convolutions around a shortcut.
class CifarBasicBlockImpl : public torch::nn::Module {
 public:
  CifarBasicBlockImpl(int64_t in_channels, int64_t out_channels, int64_t stride);

  /// x: [N, in, H, W] -> [N, out, H / stride, W / stride], on both sides of the last ReLU.
  StageFeature forward(const at::Tensor& x);

 private:
  torch::nn::Conv2d conv1, conv2;
  torch::nn::BatchNorm2d bn1, bn2;
  torch::nn::Sequential downsample{nullptr};
};
TORCH_MODULE(CifarBasicBlock);

struct CifarResNetOptions {
  /// 6n + 2.
  int64_t depth = 20;
  /// Channels of the stem and of the three stages.
  std::array<int64_t, 4> channels = {16, 16, 32, 64};
  int64_t num_classes = 100;
};

class CifarResNetImpl : public BackboneImpl {
 public:
  explicit CifarResNetImpl(const CifarResNetOptions& options);

  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  CifarResNetOptions options_;
  torch::nn::Conv2d conv1;
  torch::nn::BatchNorm2d bn1;
  std::array<torch::nn::ModuleList, 3> stages_;
  torch::nn::Linear fc;
};
TORCH_MODULE(CifarResNet);

}  // namespace reviewkd
