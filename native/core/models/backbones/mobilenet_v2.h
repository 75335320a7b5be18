#pragma once
// MobileNetV2 for 32×32 images: inverted residuals, which expand, convolve depthwise and project without an
// activation.
// Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), with
// the strides and state-dict names of the code shared by knowledge distillation papers (RepDistiller,
// models/mobilenetv2.py).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/models/backbone.h"
#include "core/models/layers.h"

namespace reviewkd {

struct InvertedResidualOptions {
  int64_t in_channels;
  int64_t out_channels;
  int64_t stride;
  /// Channels between the 1×1 convolutions, as a multiple of `in_channels`.
  int64_t expansion;
};

/// 1×1 expansion, depthwise 3×3, 1×1 projection; with a shortcut if the shape is unchanged.
class InvertedResidualImpl : public torch::nn::Module {
 public:
  explicit InvertedResidualImpl(const InvertedResidualOptions& options);

  /// x: [N, in, H, W] -> [N, out, H / stride, W / stride].
  at::Tensor forward(const at::Tensor& x);

 private:
  bool has_shortcut_;
  torch::nn::Sequential conv;
  ConvNormChain chain_;  // its layers
};
TORCH_MODULE(InvertedResidual);

struct MobileNetV2Options {
  /// Multiplies the published channels of each layer except the last convolution, which never has fewer than 1280.
  double width = 0.5;
  int64_t num_classes = 100;
};

class MobileNetV2Impl : public BackboneImpl {
 public:
  explicit MobileNetV2Impl(const MobileNetV2Options& options);

  /// A stage ends with a linear bottleneck, so its map is the same tensor on both sides of the missing activation.
  /// Differs from the reference: it averages over windows of 2×2, which at 32×32 is the whole map; this averages the
  /// whole map at every size.
  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  MobileNetV2Options options_;
  torch::nn::Sequential conv1{nullptr}, conv2{nullptr};
  ConvNormChain stem_, last_;    // the layers of conv1 and conv2
  torch::nn::ModuleList blocks;  // of ModuleLists of InvertedResiduals
  torch::nn::Sequential classifier{nullptr};
};
TORCH_MODULE(MobileNetV2);

}  // namespace reviewkd
