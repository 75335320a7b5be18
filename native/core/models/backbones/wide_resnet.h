#pragma once
// Wide ResNets for 32×32 images: blocks that normalize and activate before each convolution.
// Zagoruyko, Komodakis: "Wide Residual Networks" (BMVC 2016), without dropout and with the state-dict names of the
// code shared by knowledge distillation papers.

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "core/models/backbone.h"
#include "core/models/layers.h"

namespace reviewkd {

/// Two 3×3 convolutions around a shortcut, which projects the activated input if the channels change.
class WideBlockImpl : public torch::nn::Module {
 public:
  WideBlockImpl(int64_t in_channels, int64_t out_channels, int64_t stride);

  /// The first normalization, whose output is the previous stage's map before the activation.
  Norm& norm() { return norm_; }

  /// x: [N, in, H, W]; active: norm().relu(x) -> [N, out, H / stride, W / stride], rounded up.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& active);

 private:
  torch::nn::BatchNorm2d bn1, bn2;
  torch::nn::Conv2d conv1, conv2;
  torch::nn::Conv2d conv_shortcut{nullptr};
  Norm norm_;       // bn1
  ConvNorm first_;  // conv1 and bn2
};
TORCH_MODULE(WideBlock);

struct WideResNetOptions {
  /// 6n + 4, with n blocks in each of three stages.
  int64_t depth = 16;
  /// Channels as a multiple of 16, 32, 64.
  int64_t width = 2;
  int64_t num_classes = 100;
};

class WideResNetImpl : public BackboneImpl {
 public:
  explicit WideResNetImpl(const WideResNetOptions& options);

  BackboneOutput forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> feature_specs(ImageSize image) const override;
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return options_.num_classes; }

 private:
  WideResNetOptions options_;
  torch::nn::Conv2d conv1;
  std::array<torch::nn::ModuleList, 3> stages_;
  torch::nn::BatchNorm2d bn1;
  Norm head_norm_;  // bn1
  torch::nn::Linear fc;
};
TORCH_MODULE(WideResNet);

}  // namespace reviewkd
