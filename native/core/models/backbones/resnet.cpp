#include "core/models/backbones/resnet.h"

#include <map>

#include "core/base/error.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

struct BlockConfig {
  ResNetBlock block;
  std::vector<int64_t> blocks;
};

/// Table 1 of the paper.
const BlockConfig& block_config(int64_t depth) {
  static const std::map<int64_t, BlockConfig> configs = {
      {18, {ResNetBlock::kBasic, {2, 2, 2, 2}}},        {34, {ResNetBlock::kBasic, {3, 4, 6, 3}}},
      {50, {ResNetBlock::kBottleneck, {3, 4, 6, 3}}},   {101, {ResNetBlock::kBottleneck, {3, 4, 23, 3}}},
      {152, {ResNetBlock::kBottleneck, {3, 8, 36, 3}}},
  };
  const auto found = configs.find(depth);
  if (found == configs.end())
    fail(ErrorCode::kInvalidArgument, "invalid depth: expected 18, 34, 50, 101 or 152, received ", depth, ".");
  return found->second;
}

int64_t expansion_of(ResNetBlock block) {
  return block == ResNetBlock::kBasic ? BasicBlockImpl::kExpansion : BottleneckImpl::kExpansion;
}

nn::Conv2d stem_of(const ResNetOptions& options) {
  if (options.stem == ResNetStem::kCifar) return conv3x3(3, options.stem_channels);
  return conv2d(nn::Conv2dOptions(3, options.stem_channels, 7).stride(2).padding(3).bias(false));
}

std::shared_ptr<ResidualBlockImpl> block_of(ResNetBlock kind, const ResidualBlockOptions& options) {
  if (kind == ResNetBlock::kBasic) return BasicBlock(options).ptr();
  return Bottleneck(options).ptr();
}

}  // namespace

ResNetOptions small_cifar_resnet(int64_t depth, int64_t width, int64_t num_classes) {
  if (depth < 8 || (depth - 2) % 6 != 0)
    fail(ErrorCode::kInvalidArgument, "invalid depth: expected 6n + 2 and at least 8, received ", depth, ".");
  const int64_t blocks = (depth - 2) / 6;
  return {
      .stem_channels = width == 1 ? 16 : 32,
      .blocks = {blocks, blocks, blocks},
      .channels = {16 * width, 32 * width, 64 * width},
      .num_classes = num_classes,
  };
}

ResNetOptions large_cifar_resnet(int64_t depth, int64_t num_classes) {
  ResNetOptions options = imagenet_resnet(depth, num_classes);
  options.stem = ResNetStem::kCifar;
  options.shortcut_name = "shortcut";
  options.classifier_name = "linear";
  return options;
}

ResNetOptions imagenet_resnet(int64_t depth, int64_t num_classes) {
  const auto& [block, blocks] = block_config(depth);
  return {
      .stem = ResNetStem::kImageNet,
      .stem_channels = 64,
      .block = block,
      .blocks = blocks,
      .channels = {64, 128, 256, 512},
      .num_classes = num_classes,
  };
}

ResNetImpl::ResNetImpl(const ResNetOptions& options)
    : options_(options),
      conv1(stem_of(options)),
      bn1(batch_norm(options.stem_channels)),
      stem_(conv1, bn1),
      classifier_(linear(options.channels.back() * expansion_of(options.block), options.num_classes)) {
  if (options.blocks.size() != options.channels.size()) {
    fail(ErrorCode::kInvalidArgument, "invalid stages: expected as many blocks as channels, received ",
         options.blocks.size(), " and ", options.channels.size(), ".");
  }
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  int64_t in_channels = options.stem_channels;
  for (size_t i = 0; i < options.blocks.size(); ++i) {
    auto& stage = stages_.emplace_back();
    for (int64_t block = 0; block < options.blocks[i]; ++block) {
      stage->push_back(block_of(options.block, {
                                                   .in_channels = in_channels,
                                                   .channels = options.channels[i],
                                                   .stride = i > 0 && block == 0 ? 2 : 1,
                                                   .shortcut_name = options.shortcut_name,
                                               }));
      in_channels = options.channels[i] * expansion_of(options.block);
    }
    register_module("layer" + std::to_string(i + 1), stage);
  }
  register_module(options.classifier_name, classifier_);
}

BackboneOutput ResNetImpl::forward(const at::Tensor& images) {
  BackboneOutput output{forward_stages(images), {}};
  const at::Tensor pooled = at::adaptive_avg_pool2d(output.features.back().after, {1, 1});  // [N, C, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = classifier_(pooled.flatten(1));  // [N, classes]
  return output;
}

std::vector<StageFeature> ResNetImpl::forward_stages(const at::Tensor& images) {
  std::vector<StageFeature> features;
  ops::LazyTensor x = forward_stem(images);
  for (const auto& stage : stages_) {
    // Between blocks only the activated sum is read.
    for (size_t block = 0; block + 1 < stage->size(); ++block)
      x = stage->ptr(block)->as<ResidualBlockImpl>()->forward(x);
    auto [sum, active] = stage->ptr(stage->size() - 1)->as<ResidualBlockImpl>()->forward_with_sum(x);
    x = std::move(active);
    features.push_back({sum, x.values()});  // each stage but the first halves the size
  }
  return features;
}

std::vector<at::Tensor> ResNetImpl::forward_activated_stages(const at::Tensor& images) {
  std::vector<at::Tensor> stages;
  ops::LazyTensor x = forward_stem(images);
  for (const auto& stage : stages_) {
    for (const auto& block : *stage) x = block->as<ResidualBlockImpl>()->forward(x);
    stages.push_back(x.values());
  }
  return stages;
}

ops::LazyTensor ResNetImpl::forward_stem(const at::Tensor& images) {
  ops::LazyTensor x = stem_.relu(images);                                    // CIFAR: [N, C, H, W], ImageNet: halved
  if (options_.stem == ResNetStem::kImageNet) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});  // [N, C, H / 4, W / 4]
  return x;
}

Trunk ResNetImpl::trunk() {
  if (options_.stem != ResNetStem::kImageNet) return BackboneImpl::trunk();
  Trunk trunk{{{"conv1", conv1.ptr(), 0}, {"bn1", bn1.ptr(), 0}}};
  for (size_t i = 0; i < stages_.size(); ++i) {
    const int stage = static_cast<int>(i) + 1;
    trunk.parts.push_back({"layer" + std::to_string(stage), stages_[i].ptr(), stage});
  }
  return trunk;
}

std::vector<FeatureSpec> ResNetImpl::feature_specs(ImageSize image) const {
  require_pixels(image);
  if (options_.stem == ResNetStem::kImageNet) image = stride2_size(stride2_size(image));
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (i > 0) image = stride2_size(image);
    specs.push_back({"layer" + std::to_string(i + 1), options_.channels[i] * expansion_of(options_.block), image.height,
                     image.width});
  }
  specs.push_back({"pool", specs.back().channels, 1, 1});
  return specs;
}

void ResNetImpl::initialize(at::Generator generator) {
  init::each_layer(
      *this, [&](at::Tensor weight, at::Tensor) { init::kaiming_normal_fan_out(weight, generator); },
      [&](at::Tensor weight, at::Tensor bias) { init::torch_default(weight, bias, generator); });
}

}  // namespace reviewkd
