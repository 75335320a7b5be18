#include "core/models/backbones/mobilenet_v2.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <array>

#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

struct MobileNetV2Group {
  int64_t expansion;
  /// At width 1.
  int64_t channels;
  int64_t blocks;
  int64_t stride;
  /// Whether a stage ends here: at the last block of a size.
  bool ends_stage;
};

/// Table 2 of the paper, with stride 1 in the second row, for small images.
constexpr std::array<MobileNetV2Group, 7> kMobileNetV2Groups = {{
    {1, 16, 1, 1, false},
    {6, 24, 2, 1, true},
    {6, 32, 3, 2, true},
    {6, 64, 4, 2, false},
    {6, 96, 3, 1, true},
    {6, 160, 3, 2, false},
    {6, 320, 1, 1, true},
}};
constexpr int64_t kMobileNetV2Stem = 32;
constexpr int64_t kMobileNetV2LastChannels = 1280;

int64_t scaled(int64_t channels, double width) { return static_cast<int64_t>(static_cast<double>(channels) * width); }

int64_t last_channels(double width) { return scaled(kMobileNetV2LastChannels, std::max(1.0, width)); }

}  // namespace

InvertedResidualImpl::InvertedResidualImpl(const InvertedResidualOptions& options)
    : has_shortcut_(options.stride == 1 && options.in_channels == options.out_channels) {
  const int64_t mid = options.in_channels * options.expansion;
  conv =
      register_module("conv", nn::Sequential(conv1x1(options.in_channels, mid), batch_norm(mid), relu_in_place(),
                                             conv3x3(mid, mid, options.stride, mid), batch_norm(mid), relu_in_place(),
                                             conv1x1(mid, options.out_channels), batch_norm(options.out_channels)));
  chain_ = ConvNormChain(conv);
}

at::Tensor InvertedResidualImpl::forward(const at::Tensor& x) {
  return chain_(x, has_shortcut_ ? x : at::Tensor());                        // [N, out, H / stride, W / stride]
}

MobileNetV2Impl::MobileNetV2Impl(const MobileNetV2Options& options) : options_(options) {
  int64_t in_channels = scaled(kMobileNetV2Stem, options.width);
  conv1 =
      register_module("conv1", nn::Sequential(conv3x3(3, in_channels, 2), batch_norm(in_channels), relu_in_place()));
  stem_ = ConvNormChain(conv1);
  for (const auto& group : kMobileNetV2Groups) {
    const int64_t out_channels = scaled(group.channels, options.width);
    nn::ModuleList list;
    for (int64_t block = 0; block < group.blocks; ++block) {
      list->push_back(InvertedResidual(InvertedResidualOptions{
          .in_channels = in_channels,
          .out_channels = out_channels,
          .stride = block == 0 ? group.stride : 1,
          .expansion = group.expansion,
      }));
      in_channels = out_channels;
    }
    blocks->push_back(list);
  }
  register_module("blocks", blocks);
  const int64_t last = last_channels(options.width);
  conv2 = register_module("conv2", nn::Sequential(conv1x1(in_channels, last), batch_norm(last), relu_in_place()));
  last_ = ConvNormChain(conv2);
  classifier = register_module("classifier", nn::Sequential(linear(last, options.num_classes)));
}

BackboneOutput MobileNetV2Impl::forward(const at::Tensor& images) {
  BackboneOutput output;
  at::Tensor x = stem_(images);                                              // [N, C0, H / 2, W / 2]
  for (size_t i = 0; i < kMobileNetV2Groups.size(); ++i) {
    for (const auto& block : *blocks[i]->as<nn::ModuleListImpl>()) x = block->as<InvertedResidualImpl>()->forward(x);
    if (kMobileNetV2Groups[i].ends_stage) output.features.push_back({x, x});  // [N, Ci, H / 2 … H / 16, W / 2 … W / 16]
  }
  x = last_(x);  // [N, last, H / 16, W / 16]
  const at::Tensor pooled = at::adaptive_avg_pool2d(x, {1, 1});  // [N, last, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = classifier->forward(pooled.flatten(1));  // [N, classes]
  return output;
}

std::vector<FeatureSpec> MobileNetV2Impl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  image = stride2_size(image);
  for (size_t i = 0; i < kMobileNetV2Groups.size(); ++i) {
    const auto& group = kMobileNetV2Groups[i];
    if (group.stride == 2) image = stride2_size(image);
    if (group.ends_stage) {
      specs.push_back(
          {"blocks." + std::to_string(i), scaled(group.channels, options_.width), image.height, image.width});
    }
  }
  specs.push_back({"pool", last_channels(options_.width), 1, 1});
  return specs;
}

void MobileNetV2Impl::initialize(at::Generator generator) {
  constexpr double kClassifierDeviation = 0.01;
  init::each_layer(
      *this, [&](at::Tensor weight, at::Tensor) { init::kaiming_normal_fan_out(weight, generator); },
      [&](at::Tensor weight, at::Tensor bias) {
        init::normal(weight, kClassifierDeviation, generator);
        init::zero(bias);
      });
}

}  // namespace reviewkd
