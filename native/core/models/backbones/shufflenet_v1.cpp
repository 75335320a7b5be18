#include "core/models/backbones/shufflenet_v1.h"

#include "core/models/init.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

/// Channels of the stem.
constexpr int64_t kShuffleNetV1Stem = 24;

/// Channels that the convolutions add to the block's result, and those of the bottleneck.
int64_t added_channels(const ShuffleBottleneckOptions& options) {
  return options.stride == 2 ? options.out_channels - options.in_channels : options.out_channels;
}
int64_t mid_channels(const ShuffleBottleneckOptions& options) { return added_channels(options) / 4; }

}  // namespace

ShuffleBottleneckImpl::ShuffleBottleneckImpl(const ShuffleBottleneckOptions& options)
    : options_(options),
      conv1(conv1x1(options.in_channels, mid_channels(options), 1, options.in_groups)),
      conv2(conv3x3(mid_channels(options), mid_channels(options), options.stride, mid_channels(options))),
      conv3(conv1x1(mid_channels(options), added_channels(options), 1, options.out_groups)),
      bn1(batch_norm(mid_channels(options))),
      bn2(batch_norm(mid_channels(options))),
      bn3(batch_norm(added_channels(options))),
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

StageFeature ShuffleBottleneckImpl::forward(const at::Tensor& x) {
  at::Tensor out = first_.relu(x);                                           // [N, mid, H, W]
  out = shuffle_channels(out, options_.in_groups);
  out = second_.relu(out);                                                   // [N, mid, H / stride, W / stride]
  out = third_(out, options_.stride == 2 ? at::Tensor() : x);                // [N, added, H / stride, W / stride]
  if (options_.stride == 2) {
    out = at::cat({out, at::avg_pool2d(x, 3, /*stride=*/2, /*padding=*/1)}, 1);  // [N, out, H / 2, W / 2]
  }
  return {out, at::relu(out)};
}

ShuffleNetV1Impl::ShuffleNetV1Impl(const ShuffleNetV1Options& options)
    : options_(options),
      conv1(conv1x1(3, kShuffleNetV1Stem)),
      bn1(batch_norm(kShuffleNetV1Stem)),
      stem_(conv1, bn1),
      linear(reviewkd::linear(options.channels.back(), options.num_classes)) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  int64_t in_channels = kShuffleNetV1Stem;
  for (size_t i = 0; i < stages_.size(); ++i) {
    for (int64_t block = 0; block < options.blocks[i]; ++block) {
      stages_[i]->push_back(ShuffleBottleneck(ShuffleBottleneckOptions{
          .in_channels = in_channels,
          .out_channels = options.channels[i],
          .stride = block == 0 ? 2 : 1,
          // The stem has too few channels to be split (section 3.2 of the paper).
          .in_groups = i == 0 && block == 0 ? 1 : options.groups,
          .out_groups = options.groups,
      }));
      in_channels = options.channels[i];
    }
    register_module("layer" + std::to_string(i + 1), stages_[i]);
  }
  register_module("linear", linear);
}

BackboneOutput ShuffleNetV1Impl::forward(const at::Tensor& images) {
  BackboneOutput output;
  at::Tensor x = stem_.relu(images);                                         // [N, 24, H, W]
  for (const auto& stage : stages_) {
    StageFeature feature;
    for (const auto& block : *stage) {
      feature = block->as<ShuffleBottleneckImpl>()->forward(x);
      x = feature.after;
    }
    output.features.push_back(feature);                                      // [N, Ci, H / 2^i, W / 2^i]
  }
  const at::Tensor pooled = at::adaptive_avg_pool2d(x, {1, 1});              // [N, C3, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = linear(pooled.flatten(1));                                 // [N, classes]
  return output;
}

std::vector<FeatureSpec> ShuffleNetV1Impl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < stages_.size(); ++i) {
    image = stride2_size(image);
    specs.push_back({"layer" + std::to_string(i + 1), options_.channels[i], image.height, image.width});
  }
  specs.push_back({"pool", options_.channels.back(), 1, 1});
  return specs;
}

void ShuffleNetV1Impl::initialize(at::Generator generator) {
  const auto draw = [&](at::Tensor weight, at::Tensor bias) { init::torch_default(weight, bias, generator); };
  init::each_layer(*this, draw, draw);
}

}  // namespace reviewkd
