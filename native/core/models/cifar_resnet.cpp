#include "core/models/cifar_resnet.h"

#include "core/error.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;

CifarBasicBlockImpl::CifarBasicBlockImpl(int64_t in_channels, int64_t out_channels, int64_t stride)
    : conv1(conv3x3(in_channels, out_channels, stride)),
      conv2(conv3x3(out_channels, out_channels, 1)),
      bn1(out_channels),
      bn2(out_channels) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  if (stride != 1 || in_channels != out_channels) {
    downsample = register_module(
        "downsample", nn::Sequential(conv1x1(in_channels, out_channels, stride), nn::BatchNorm2d(out_channels)));
  }
}

StageFeature CifarBasicBlockImpl::forward(const at::Tensor& x) {
  at::Tensor out = at::relu(bn1(conv1(x)));                                  // [N, out, H / stride, W / stride]
  out = bn2(conv2(out)) + (downsample.is_empty() ? x : downsample->forward(x));
  return {out, at::relu(out)};
}

CifarResNetImpl::CifarResNetImpl(const CifarResNetOptions& options)
    : options_(options),
      conv1(conv3x3(3, options.channels[0], 1)),
      bn1(options.channels[0]),
      fc(options.channels[3], options.num_classes) {
  if (options.depth < 8 || (options.depth - 2) % 6 != 0) {
    fail(ErrorCode::kInvalidArgument, "expected 6n + 2 for depth, got ", options.depth);
  }
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  const int64_t blocks = (options.depth - 2) / 6;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const int64_t in_channels = options.channels[i];
    const int64_t out_channels = options.channels[i + 1];
    for (int64_t block = 0; block < blocks; ++block) {
      const bool first = block == 0;
      stages_[i]->push_back(CifarBasicBlock(first ? in_channels : out_channels, out_channels, first && i > 0 ? 2 : 1));
    }
    register_module("layer" + std::to_string(i + 1), stages_[i]);
  }
  register_module("fc", fc);
}

BackboneOutput CifarResNetImpl::forward(const at::Tensor& images) {
  BackboneOutput output;
  at::Tensor x = at::relu(bn1(conv1(images)));                               // [N, C0, H, W]
  for (const auto& stage : stages_) {
    StageFeature feature;
    for (const auto& block : *stage) {
      feature = block->as<CifarBasicBlockImpl>()->forward(x);
      x = feature.after;
    }
    output.features.push_back(feature);                                      // [N, Ci, H / 2^(i-1), W / 2^(i-1)]
  }
  const at::Tensor pooled = at::adaptive_avg_pool2d(x, {1, 1});              // [N, C3, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = fc(pooled.flatten(1));                                     // [N, classes]
  return output;
}

std::vector<FeatureSpec> CifarResNetImpl::feature_specs(ImageSize image) const {
  require_pixels(image);
  std::vector<FeatureSpec> specs;
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (i > 0) image = halved(image);
    specs.push_back({"layer" + std::to_string(i + 1), options_.channels[i + 1], image.height, image.width});
  }
  specs.push_back({"pool", options_.channels[3], 1, 1});
  return specs;
}

void CifarResNetImpl::initialize(at::Generator generator) {
  init::each_layer(
      *this, [&](at::Tensor weight, at::Tensor) { init::kaiming_normal_fan_out(weight, generator); },
      [&](at::Tensor weight, at::Tensor bias) { init::torch_default(weight, bias, generator); });
}

}  // namespace reviewkd
