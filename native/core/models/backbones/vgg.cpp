#include "core/models/backbones/vgg.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>

#include <map>

#include "core/base/error.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

constexpr std::array<int64_t, 5> kVggChannels = {64, 128, 256, 512, 512};

/// Convolutions of each block: columns A, B, D and E of the paper's table 1, and vgg8.
const std::array<int64_t, 5>& vgg_convolutions(int64_t depth) {
  static const std::map<int64_t, std::array<int64_t, 5>> convolutions = {
      {8, {1, 1, 1, 1, 1}}, {11, {1, 1, 2, 2, 2}}, {13, {2, 2, 2, 2, 2}}, {16, {2, 2, 3, 3, 3}}, {19, {2, 2, 4, 4, 4}},
  };
  const auto found = convolutions.find(depth);
  if (found == convolutions.end())
    fail(ErrorCode::kInvalidArgument, "invalid depth: expected 8, 11, 13, 16 or 19, received ", depth, ".");
  return found->second;
}

nn::Sequential vgg_block(int64_t in_channels, int64_t channels, int64_t convolutions) {
  nn::Sequential block;
  for (int64_t i = 0; i < convolutions; ++i) {
    if (i > 0) block->push_back(nn::ReLU(nn::ReLUOptions(/*inplace=*/true)));
    block->push_back(conv2d(nn::Conv2dOptions(i == 0 ? in_channels : channels, channels, 3).padding(1)));
    block->push_back(batch_norm(channels));
  }
  return block;
}

/// Whether a max pooling precedes this block. In the published code, the one before the last block applies only to
/// images of height 64, so that it reduces the map to 4×4 as for a 32×32 image; at every other height the last two
/// blocks share a size.
bool pooled_before(size_t block, int64_t image_height) { return block > 0 && (block < 4 || image_height == 64); }

void require_vgg_size(ImageSize image) {
  const int64_t smallest = pooled_before(4, image.height) ? 16 : 8;
  require_pixels(image, {smallest, smallest});
}

}  // namespace

VggImpl::VggImpl(const VggOptions& options)
    : options_(options), classifier(linear(kVggChannels.back(), options.num_classes)) {
  const auto& convolutions = vgg_convolutions(options.depth);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i] = vgg_block(i == 0 ? 3 : kVggChannels[i - 1], kVggChannels[i], convolutions[i]);
    register_module("block" + std::to_string(i), blocks_[i]);
    chains_[i] = ConvNormChain(blocks_[i]);
  }
  register_module("classifier", classifier);
}

BackboneOutput VggImpl::forward(const at::Tensor& images) {
  require_vgg_size({images.size(2), images.size(3)});
  BackboneOutput output;
  at::Tensor x = images;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (pooled_before(i, images.size(2))) x = at::max_pool2d(x, {2, 2});      // [N, C(i-1), Hi, Wi]
    if (i == 0) {  // not an output stage
      x = chains_[i](x, {}, /*relu=*/true);
      continue;
    }
    const at::Tensor normalized = chains_[i](x);                              // [N, Ci, Hi, Wi]
    x = at::relu(normalized);
    output.features.push_back({normalized, x});
  }
  const at::Tensor pooled = at::adaptive_avg_pool2d(x, {1, 1});               // [N, 512, 1, 1]
  output.features.push_back({pooled, pooled});
  output.logits = classifier(pooled.flatten(1));                              // [N, classes]
  return output;
}

std::vector<FeatureSpec> VggImpl::feature_specs(ImageSize image) const {
  require_vgg_size(image);
  const int64_t image_height = image.height;
  std::vector<FeatureSpec> specs;
  for (size_t i = 1; i < blocks_.size(); ++i) {
    if (pooled_before(i, image_height)) image = {image.height / 2, image.width / 2};
    specs.push_back({"block" + std::to_string(i), kVggChannels[i], image.height, image.width});
  }
  specs.push_back({"pool", kVggChannels.back(), 1, 1});
  return specs;
}

void VggImpl::initialize(at::Generator generator) {
  init::each_layer(
      *this,
      [&](at::Tensor weight, at::Tensor bias) {
        init::kaiming_normal_fan_out(weight, generator);
        init::zero(bias);
      },
      [&](at::Tensor weight, at::Tensor bias) {
        init::normal(weight, 0.01, generator);
        init::zero(bias);
      });
}

}  // namespace reviewkd
