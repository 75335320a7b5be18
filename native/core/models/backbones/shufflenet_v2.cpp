#include "core/models/backbones/shufflenet_v2.h"

#include "core/models/init.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

/// Channels of the stem.
constexpr int64_t kShuffleNetV2Stem = 24;
/// The halves of a block's channels.
constexpr int64_t kHalves = 2;

}  // namespace

ShuffleDownBlockImpl::ShuffleDownBlockImpl(int64_t in_channels, int64_t out_channels)
    : conv1(conv3x3(in_channels, in_channels, 2, in_channels)),
      conv2(conv1x1(in_channels, out_channels / 2)),
      conv3(conv1x1(in_channels, out_channels / 2)),
      conv4(conv3x3(out_channels / 2, out_channels / 2, 2, out_channels / 2)),
      conv5(conv1x1(out_channels / 2, out_channels / 2)),
      bn1(batch_norm(in_channels)),
      bn2(batch_norm(out_channels / 2)),
      bn3(batch_norm(out_channels / 2)),
      bn4(batch_norm(out_channels / 2)),
      bn5(batch_norm(out_channels / 2)),
      first_(conv1, bn1),
      second_(conv2, bn2),
      third_(conv3, bn3),
      fourth_(conv4, bn4),
      fifth_(conv5, bn5) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_module("conv3", conv3);
  register_module("bn3", bn3);
  register_module("conv4", conv4);
  register_module("bn4", bn4);
  register_module("conv5", conv5);
  register_module("bn5", bn5);
}

at::Tensor ShuffleDownBlockImpl::forward(const at::Tensor& x) {
  at::Tensor left = first_(x);                                               // [N, in, H / 2, W / 2]
  left = second_.relu(left);                                                 // [N, out / 2, H / 2, W / 2]
  at::Tensor right = third_.relu(x);                                         // [N, out / 2, H, W]
  right = fourth_(right);                                                    // [N, out / 2, H / 2, W / 2]
  right = fifth_.relu(right);
  return shuffle_channels(at::cat({left, right}, 1), kHalves);                // [N, out, H / 2, W / 2]
}

ShuffleSplitBlockImpl::ShuffleSplitBlockImpl(int64_t channels)
    : half_(channels / 2),
      conv1(conv1x1(half_, half_)),
      conv2(conv3x3(half_, half_, 1, half_)),
      conv3(conv1x1(half_, half_)),
      bn1(batch_norm(half_)),
      bn2(batch_norm(half_)),
      bn3(batch_norm(half_)),
      first_(conv1, bn1),
      second_(conv2, bn2),
      third_(conv3, bn3) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_module("conv3", conv3);
  register_module("bn3", bn3);
}

StageFeature ShuffleSplitBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor passed = x.narrow(1, 0, half_);                           // [N, C / 2, H, W]
  at::Tensor out = x.narrow(1, half_, half_);                                // [N, C / 2, H, W]
  out = third_(second_(first_.relu(out)));
  return {at::cat({passed, out}, 1), shuffle_channels(at::cat({passed, at::relu(out)}, 1), kHalves)};
}

ShuffleNetV2Impl::ShuffleNetV2Impl(const ShuffleNetV2Options& options)
    : options_(options),
      conv1(conv1x1(3, kShuffleNetV2Stem)),
      conv2(conv1x1(options.channels[2], options.channels[3])),
      bn1(batch_norm(kShuffleNetV2Stem)),
      bn2(batch_norm(options.channels[3])),
      stem_(conv1, bn1),
      last_(conv2, bn2),
      linear(reviewkd::linear(options.channels[3], options.num_classes)) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  int64_t in_channels = kShuffleNetV2Stem;
  for (size_t i = 0; i < stages_.size(); ++i) {
    stages_[i]->push_back(ShuffleDownBlock(in_channels, options.channels[i]));
    for (int64_t block = 0; block < options.blocks[i]; ++block)
      stages_[i]->push_back(ShuffleSplitBlock(options.channels[i]));
    register_module("layer" + std::to_string(i + 1), stages_[i]);
    in_channels = options.channels[i];
  }
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_module("linear", linear);
}

BackboneOutput ShuffleNetV2Impl::forward(const at::Tensor& images) {
  BackboneOutput output;
  at::Tensor x = stem_.relu(images);                                         // [N, 24, H, W]
  for (auto& stage : stages_) {
    x = stage[0]->as<ShuffleDownBlockImpl>()->forward(x);                    // [N, Ci, H / 2^i, W / 2^i]
    StageFeature feature;
    for (size_t block = 1; block < stage->size(); ++block) {
      feature = stage[block]->as<ShuffleSplitBlockImpl>()->forward(x);
      x = feature.after;
    }
    output.features.push_back(feature);
  }
  x = last_.relu(x);                                                         // [N, C4, H / 8, W / 8]
  const at::Tensor pooled = at::adaptive_avg_pool2d(x, {1, 1});              // [N, C4, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = linear(pooled.flatten(1));                                 // [N, classes]
  return output;
}

std::vector<FeatureSpec> ShuffleNetV2Impl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < stages_.size(); ++i) {
    image = stride2_size(image);
    specs.push_back({"layer" + std::to_string(i + 1), options_.channels[i], image.height, image.width});
  }
  specs.push_back({"pool", options_.channels[3], 1, 1});
  return specs;
}

void ShuffleNetV2Impl::initialize(at::Generator generator) {
  const auto draw = [&](at::Tensor weight, at::Tensor bias) { init::torch_default(weight, bias, generator); };
  init::each_layer(*this, draw, draw);
}

}  // namespace reviewkd
