#include "core/models/backbones/wide_resnet.h"

#include "core/base/error.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

/// Channels of stage 0, 1 or 2.
int64_t wide_channels(int64_t width, size_t stage) { return (int64_t{16} << stage) * width; }

}  // namespace

WideBlockImpl::WideBlockImpl(int64_t in_channels, int64_t out_channels, int64_t stride)
    : bn1(batch_norm(in_channels)),
      bn2(batch_norm(out_channels)),
      conv1(conv3x3(in_channels, out_channels, stride)),
      conv2(conv3x3(out_channels, out_channels)),
      norm_(bn1),
      first_(conv1, bn2) {
  register_module("bn1", bn1);
  register_module("conv1", conv1);
  register_module("bn2", bn2);
  register_module("conv2", conv2);
  if (in_channels != out_channels)
    conv_shortcut = register_module("convShortcut", conv1x1(in_channels, out_channels, stride));
}

at::Tensor WideBlockImpl::forward(const at::Tensor& x, const at::Tensor& active) {
  const at::Tensor hidden = first_.relu(active);                         // [N, out, H / stride, W / stride]
  return conv2(hidden).add_(conv_shortcut.is_empty() ? x : conv_shortcut(active));
}

WideResNetImpl::WideResNetImpl(const WideResNetOptions& options)
    : options_(options),
      conv1(conv3x3(3, 16)),
      bn1(batch_norm(wide_channels(options.width, 2))),
      head_norm_(bn1),
      fc(linear(wide_channels(options.width, 2), options.num_classes)) {
  if (options.depth < 10 || (options.depth - 4) % 6 != 0) {
    fail(ErrorCode::kInvalidArgument, "invalid depth: expected 6n + 4, received ", options.depth, ".");
  }
  register_module("conv1", conv1);
  int64_t in_channels = 16;
  for (size_t i = 0; i < stages_.size(); ++i) {
    for (int64_t block = 0; block < (options.depth - 4) / 6; ++block) {
      const int64_t out_channels = wide_channels(options.width, i);
      stages_[i]->push_back(WideBlock(in_channels, out_channels, i > 0 && block == 0 ? 2 : 1));
      in_channels = out_channels;
    }
    auto stage = std::make_shared<nn::Module>();
    stage->register_module("layer", stages_[i]);
    register_module("block" + std::to_string(i + 1), stage);
  }
  register_module("bn1", bn1);
  register_module("fc", fc);
}

BackboneOutput WideResNetImpl::forward(const at::Tensor& images) {
  BackboneOutput output;
  at::Tensor x = conv1(images);                                          // [N, 16, H, W]
  for (size_t i = 0; i < stages_.size(); ++i) {
    bool first = true;
    for (const auto& module : *stages_[i]) {
      auto* block = module->as<WideBlockImpl>();
      at::Tensor active;
      if (first && i > 0) {
        const at::Tensor normalized = block->norm()(x);
        output.features.push_back({normalized, x});                      // [N, Ci, Hi, Wi] of the previous stage
        active = at::relu(normalized);
      } else {
        active = block->norm().relu(x);
      }
      first = false;
      x = block->forward(x, active);                                     // each stage but the first halves the size
    }
  }
  const at::Tensor normalized = head_norm_(x);                                // [N, C3, H / 4, W / 4]
  output.features.push_back({normalized, x});
  // The published code averages over 8×8, which is the whole map of a 32×32 image.
  const at::Tensor pooled = at::adaptive_avg_pool2d(at::relu(normalized), {1, 1});  // [N, C3, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = fc(pooled.flatten(1));                                 // [N, classes]
  return output;
}

std::vector<FeatureSpec> WideResNetImpl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (i > 0) image = stride2_size(image);
    specs.push_back({"block" + std::to_string(i + 1), wide_channels(options_.width, i), image.height, image.width});
  }
  specs.push_back({"pool", specs.back().channels, 1, 1});
  return specs;
}

void WideResNetImpl::initialize(at::Generator generator) {
  init::each_layer(
      *this, [&](at::Tensor weight, at::Tensor) { init::kaiming_normal_fan_out(weight, generator); },
      [&](at::Tensor weight, at::Tensor bias) {
        init::torch_default(weight, {}, generator);
        init::zero(bias);
      });
}

}  // namespace reviewkd
