#pragma once
// MobileNetV2 for ImageNet: inverted residuals, which expand, convolve depthwise and project without an activation.
// Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), with
// the state-dict names of torchvision (models/mobilenetv2.py), whose published weights it loads.

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/models/backbone.h"
#include "core/models/layers.h"

namespace reviewkd {

struct MobileNetV2ImageNetOptions {
  int64_t num_classes = 1000;
};

class MobileNetV2ImageNetImpl : public BackboneImpl {
 public:
  explicit MobileNetV2ImageNetImpl(const MobileNetV2ImageNetOptions& options);

  /// A stage ends with a linear bottleneck, so its map is the same tensor on both sides of the missing activation.
  /// Differs from the reference: no dropout in front of the classifier, because a step depends on its inputs alone.
  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<StageFeature> forward_stages(const at::Tensor& images) override;
  Trunk trunk() override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  MobileNetV2ImageNetOptions options_;
  torch::nn::ModuleList features;
  ConvNorm stem_, last_;
  torch::nn::Linear classifier_;
};
TORCH_MODULE(MobileNetV2ImageNet);

}  // namespace reviewkd
