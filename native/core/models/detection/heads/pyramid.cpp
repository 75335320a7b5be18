#include "core/models/detection/heads/pyramid.h"

#include <ATen/ATen.h>

#include "core/models/detection/heads/conv_layer.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd::detection {
namespace nn = torch::nn;

FeaturePyramidImpl::FeaturePyramidImpl(const PyramidOptions& options) : options_(options) {
  for (const int64_t channels : options.in_channels) {
    inner_blocks->push_back(ConvLayer(channels, options.out_channels, 1));
    layer_blocks->push_back(ConvLayer(options.out_channels, options.out_channels, 3));
  }
  register_module("inner_blocks", inner_blocks);
  register_module("layer_blocks", layer_blocks);
  if (options.extra == ExtraLevels::kPool) return;
  const auto extra_blocks = register_module("extra_blocks", std::make_shared<nn::Module>());
  const int64_t in = options.extra == ExtraLevels::kFromC5 ? options.in_channels.back() : options.out_channels;
  const auto strided = [&](int64_t channels) {
    return conv2d(nn::Conv2dOptions(channels, options.out_channels, 3).stride(2).padding(1));
  };
  extra_.emplace_back(extra_blocks->register_module("p6", strided(in)));
  extra_.emplace_back(extra_blocks->register_module("p7", strided(options.out_channels)));
}

std::vector<at::Tensor> FeaturePyramidImpl::forward(const std::vector<at::Tensor>& stages) {
  std::vector<at::Tensor> levels(stages.size());
  at::Tensor top_down;
  for (size_t i = stages.size(); i-- > 0;) {
    if (top_down.defined()) top_down = at::upsample_nearest2d(top_down, {stages[i].size(2), stages[i].size(3)});
    top_down = inner_blocks->ptr(i)->as<ConvLayerImpl>()->forward(stages[i], top_down);  // [N, out, H, W]
    levels[i] = layer_blocks->ptr(i)->as<ConvLayerImpl>()->forward(top_down);
  }
  if (options_.extra == ExtraLevels::kPool) {
    levels.push_back(at::max_pool2d(levels.back(), {1, 1}, {2, 2}));  // [N, out, ⌈H / 2⌉, ⌈W / 2⌉]
    return levels;
  }
  levels.push_back(extra_[0](options_.extra == ExtraLevels::kFromC5 ? stages.back() : levels.back()));  // p6
  levels.push_back(extra_[1](at::relu(levels.back())));                                                  // p7
  return levels;
}

void FeaturePyramidImpl::initialize(const at::Generator& generator) {
  const auto draw = [&](const at::Tensor& weight, const at::Tensor& bias) {
    init::kaiming_uniform(weight, 1.0, generator);
    init::zero(bias);
  };
  init::each_layer(*this, draw, draw);
}

std::vector<ImageSize> pyramid_sizes(const std::vector<ImageSize>& stages, ExtraLevels extra) {
  std::vector<ImageSize> sizes = stages;
  const int levels = extra == ExtraLevels::kPool ? 1 : 2;
  for (int i = 0; i < levels; ++i) sizes.push_back(stride2_size(sizes.back()));
  return sizes;
}

}  // namespace reviewkd::detection
