#include "core/models/backbones/mobilenet_v1.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>

#include <array>

#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

struct MobileNetV1Block {
  int64_t channels;
  int64_t stride;
  /// Whether a stage ends here: at the last block of each size except the first.
  bool ends_stage;
};

/// The stem, then the depthwise separable convolutions.
constexpr std::array<MobileNetV1Block, 14> kMobileNetV1Blocks = {{
    {32, 2, false},
    {64, 1, false},
    {128, 2, false},
    {128, 1, true},
    {256, 2, false},
    {256, 1, true},
    {512, 2, false},
    {512, 1, false},
    {512, 1, false},
    {512, 1, false},
    {512, 1, false},
    {512, 1, true},
    {1024, 2, false},
    {1024, 1, true},
}};

nn::Sequential separable(int64_t in_channels, int64_t out_channels, int64_t stride) {
  return nn::Sequential(conv3x3(in_channels, in_channels, stride, in_channels), batch_norm(in_channels),
                        relu_in_place(), conv1x1(in_channels, out_channels), batch_norm(out_channels));
}

}  // namespace

MobileNetV1Impl::MobileNetV1Impl(const MobileNetV1Options& options) : options_(options) {
  int64_t in_channels = 3;
  for (const auto& [channels, stride, ends_stage] : kMobileNetV1Blocks) {
    const nn::Sequential block = blocks_.empty()
                                     ? nn::Sequential(conv3x3(in_channels, channels, stride), batch_norm(channels))
                                     : separable(in_channels, channels, stride);
    model->push_back(block);
    blocks_.emplace_back(block);
    in_channels = channels;
  }
  register_module("model", model);
  fc = register_module("fc", linear(in_channels, options.num_classes));
}

BackboneOutput MobileNetV1Impl::forward(const at::Tensor& images) {
  BackboneOutput output{forward_stages(images), {}};
  const at::Tensor pooled = at::adaptive_avg_pool2d(output.features.back().after, {1, 1});  // [N, 1024, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = fc(pooled.flatten(1));  // [N, classes]
  return output;
}

std::vector<StageFeature> MobileNetV1Impl::forward_stages(const at::Tensor& images) {
  std::vector<StageFeature> features;
  at::Tensor x = images;                                                     // [N, 3, H, W]
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const at::Tensor before = blocks_[i](x);  // [N, Ci, H / 2 … H / 32, W / 2 … W / 32]
    x = at::relu(before);
    if (kMobileNetV1Blocks[i].ends_stage) features.push_back({before, x});
  }
  return features;
}

Trunk MobileNetV1Impl::trunk() {
  Trunk trunk;
  int stage = -1;  // the stem and the first stage begin with a stride of 2 each
  for (size_t i = 0; i < kMobileNetV1Blocks.size(); ++i) {
    if (kMobileNetV1Blocks[i].stride == 2) ++stage;
    trunk.parts.push_back({std::to_string(i), model->ptr(i), stage});
  }
  return trunk;
}

std::vector<FeatureSpec> MobileNetV1Impl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < kMobileNetV1Blocks.size(); ++i) {
    const auto [channels, stride, ends_stage] = kMobileNetV1Blocks[i];
    if (stride == 2) image = stride2_size(image);
    if (ends_stage) specs.push_back({"model." + std::to_string(i), channels, image.height, image.width});
  }
  specs.push_back({"pool", kMobileNetV1Blocks.back().channels, 1, 1});
  return specs;
}

void MobileNetV1Impl::initialize(at::Generator generator) {
  const auto draw = [&](at::Tensor weight, at::Tensor bias) { init::torch_default(weight, bias, generator); };
  init::each_layer(*this, draw, draw);
}

}  // namespace reviewkd
