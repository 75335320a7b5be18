#pragma once
// VGG networks with batch normalization for 32×32 images.
// Simonyan, Zisserman: "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR 2015), table 1,
// with a single linear layer; vgg8 and the state-dict names are those of the code shared by knowledge distillation
// papers.

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "core/models/backbone.h"
#include "core/models/layers.h"

namespace reviewkd {

struct VggOptions {
  /// 8, 11, 13, 16 or 19.
  int64_t depth = 8;
  int64_t num_classes = 100;
};

class VggImpl : public BackboneImpl {
 public:
  explicit VggImpl(const VggOptions& options);

  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  VggOptions options_;
  /// Convolutions, normalizations and the ReLUs between them; the ReLU after the last normalization is not part of a
  /// block.
  std::array<torch::nn::Sequential, 5> blocks_;
  std::array<ConvNormChain, 5> chains_;  // their layers
  torch::nn::Linear classifier;
};
TORCH_MODULE(Vgg);

}  // namespace reviewkd
