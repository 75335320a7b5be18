#pragma once
// MobileNet for ImageNet: depthwise 3×3 convolutions, each followed by a 1×1 convolution.
// Howard et al.: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (arXiv
// 1704.04861, 2017), table 1, with the state-dict names of the code shared by knowledge distillation papers
// (ReviewKD, ImageNet/models/mobilenet.py), which keeps PyTorch's default initialisation.

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/models/backbone.h"
#include "core/models/layers.h"

namespace reviewkd {

struct MobileNetV1Options {
  int64_t num_classes = 1000;
};

class MobileNetV1Impl : public BackboneImpl {
 public:
  explicit MobileNetV1Impl(const MobileNetV1Options& options);

  /// Differs from the reference: it averages over windows of 7×7, which at 224×224 is the whole map; this averages
  /// the whole map at every size.
  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<StageFeature> forward_stages(const at::Tensor& images) override;
  /// Its parts are the blocks, by their numbers.
  Trunk trunk() override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  MobileNetV1Options options_;
  torch::nn::ModuleList model;
  /// Each block up to its last ReLU.
  std::vector<ConvNormChain> blocks_;
  torch::nn::Linear fc{nullptr};
};
TORCH_MODULE(MobileNetV1);

}  // namespace reviewkd
