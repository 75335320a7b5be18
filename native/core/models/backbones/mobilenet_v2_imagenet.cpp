#include "core/models/backbones/mobilenet_v2_imagenet.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>

#include <array>
#include <optional>

#include "core/models/init.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

struct BlockRow {
  int64_t expansion, channels, blocks, stride;
};

/// Table 2 of the paper.
constexpr std::array<BlockRow, 7> kImageNetRows = {{
    {1, 16, 1, 1},
    {6, 24, 2, 2},
    {6, 32, 3, 2},
    {6, 64, 4, 2},
    {6, 96, 3, 1},
    {6, 160, 3, 2},
    {6, 320, 1, 1},
}};
constexpr int64_t kImageNetStem = 32;
constexpr int64_t kImageNetLast = 1280;

/// The last block of each size from stride 4 on, as `features` counts them: the stem is 0.
constexpr std::array<size_t, 4> kStageEnds = {3, 6, 13, 17};

at::Tensor relu6(const at::Tensor& x) {
  constexpr double kLargest = 6.0;
  return at::hardtanh(x, 0.0, kLargest);
}

/// Adds a convolution, its norm and a ReLU6 to `list`, as torchvision's Conv2dNormActivation, and returns the first two.
ConvNorm added(nn::ModuleList& list, const nn::Conv2d& convolution) {
  const nn::BatchNorm2d norm = batch_norm(convolution->options.out_channels());
  list->push_back(nn::Sequential(convolution, norm, nn::ReLU6()));
  return ConvNorm(convolution, norm);
}

/// 1×1 expansion (unless it is 1), depthwise 3×3, 1×1 projection; with a shortcut if the shape is unchanged.
class BottleneckBlock : public nn::Module {
 public:
  BottleneckBlock(int64_t in_channels, int64_t out_channels, int64_t stride, int64_t expansion)
      : has_shortcut_(stride == 1 && in_channels == out_channels) {
    const int64_t mid = in_channels * expansion;
    nn::ModuleList conv;
    if (expansion != 1) activated_.push_back(added(conv, conv1x1(in_channels, mid)));
    activated_.push_back(added(conv, conv3x3(mid, mid, stride, mid)));
    const nn::Conv2d projection = conv1x1(mid, out_channels);
    const nn::BatchNorm2d norm = batch_norm(out_channels);
    conv->push_back(projection);
    conv->push_back(norm);
    register_module("conv", conv);
    projection_.emplace(projection, norm);
  }

  /// x: [N, in, H, W] -> [N, out, H / stride, W / stride].
  at::Tensor forward(const at::Tensor& x) {
    at::Tensor hidden = x;
    for (auto& layer : activated_) hidden = relu6(layer(hidden));
    return (*projection_)(hidden, has_shortcut_ ? x : at::Tensor());
  }

 private:
  bool has_shortcut_;
  std::vector<ConvNorm> activated_;
  std::optional<ConvNorm> projection_;
};

}  // namespace

MobileNetV2ImageNetImpl::MobileNetV2ImageNetImpl(const MobileNetV2ImageNetOptions& options)
    : options_(options),
      stem_(added(features, conv3x3(3, kImageNetStem, 2))),
      last_(stem_),
      classifier_(linear(kImageNetLast, options.num_classes)) {
  int64_t in_channels = kImageNetStem;
  for (const auto& [expansion, channels, blocks, stride] : kImageNetRows) {
    for (int64_t block = 0; block < blocks; ++block) {
      features->push_back(std::make_shared<BottleneckBlock>(in_channels, channels, block == 0 ? stride : 1, expansion));
      in_channels = channels;
    }
  }
  last_ = added(features, conv1x1(in_channels, kImageNetLast));
  register_module("features", features);
  register_module("classifier", std::make_shared<nn::Module>())->register_module("1", classifier_);
}

BackboneOutput MobileNetV2ImageNetImpl::forward(const at::Tensor& images) {
  BackboneOutput output{forward_stages(images), {}};
  const at::Tensor x = relu6(last_(output.features.back().after));  // [N, 1280, H / 32, W / 32]
  const at::Tensor pooled = at::adaptive_avg_pool2d(x, {1, 1});     // [N, 1280, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = classifier_(pooled.flatten(1));  // [N, classes]
  return output;
}

std::vector<StageFeature> MobileNetV2ImageNetImpl::forward_stages(const at::Tensor& images) {
  std::vector<StageFeature> stages;
  at::Tensor x = relu6(stem_(images));  // [N, 32, H / 2, W / 2]
  for (size_t i = 1; i <= kStageEnds.back(); ++i) {
    x = features->ptr(i)->as<BottleneckBlock>()->forward(x);
    if (i == kStageEnds.at(stages.size())) stages.push_back({x, x});  // [N, Ci, H / 4 … H / 32, W / 4 … W / 32]
  }
  return stages;
}

Trunk MobileNetV2ImageNetImpl::trunk() {
  Trunk trunk;
  int stage = 0;
  size_t row = 0;
  int64_t left = kImageNetRows[0].blocks;
  trunk.parts.push_back({"0", features->ptr(0), 0});
  for (size_t i = 1; i <= kStageEnds.back(); ++i, --left) {
    if (left == 0) left = kImageNetRows.at(++row).blocks;
    // A stage begins with the block that halves the size.
    if (left == kImageNetRows.at(row).blocks && kImageNetRows.at(row).stride == 2) ++stage;
    trunk.parts.push_back({std::to_string(i), features->ptr(i), stage});
  }
  return trunk;
}

std::vector<FeatureSpec> MobileNetV2ImageNetImpl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  image = stride2_size(image);
  size_t index = 0;
  for (const auto& [expansion, channels, blocks, stride] : kImageNetRows) {
    if (stride == 2) image = stride2_size(image);
    index += static_cast<size_t>(blocks);
    if (index == kStageEnds.at(std::min(specs.size(), kStageEnds.size() - 1)))
      specs.push_back({"features." + std::to_string(index), channels, image.height, image.width});
  }
  specs.push_back({"pool", kImageNetLast, 1, 1});
  return specs;
}

void MobileNetV2ImageNetImpl::initialize(at::Generator generator) {
  constexpr double kClassifierDeviation = 0.01;
  init::each_layer(
      *this, [&](at::Tensor weight, at::Tensor) { init::kaiming_normal_fan_out(weight, generator); },
      [&](at::Tensor weight, at::Tensor bias) {
        init::normal(weight, kClassifierDeviation, generator);
        init::zero(bias);
      });
}

}  // namespace reviewkd
