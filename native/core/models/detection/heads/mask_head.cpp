#include "core/models/detection/heads/mask_head.h"

#include <ATen/ATen.h>

#include "core/base/numeric.h"
#include "core/models/detection/heads/conv_layer.h"
#include "core/models/init.h"
#include "core/models/layers.h"
#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::detection {
namespace nn = torch::nn;

MaskOptions MaskOptions::from(const Options& options) {
  return {options.choice<MaskTargetRule>("maskTargets",
                                         {{"soft", MaskTargetRule::kSoft}, {"binary", MaskTargetRule::kBinary}})};
}

MaskHeadImpl::MaskHeadImpl(int64_t channels) {
  constexpr int kLayers = 4;
  for (int i = 0; i < kLayers; ++i)
    register_module(std::to_string(i), ConvLayer(i == 0 ? channels : kMaskChannels, kMaskChannels, 3));
}

at::Tensor MaskHeadImpl::forward(at::Tensor x) {
  for (const auto& layer : children()) x = layer->as<ConvLayerImpl>()->relu(x);  // [K, C, 14, 14]
  return x;
}

void MaskHeadImpl::initialize(const at::Generator& generator) {
  const auto draw = [&](const at::Tensor& weight, const at::Tensor& bias) {
    init::kaiming_normal_fan_out(weight, generator);
    init::zero(bias);
  };
  init::each_layer(*this, draw, draw);
}

MaskPredictorImpl::MaskPredictorImpl(int64_t channels, int64_t num_classes)
    : conv5_mask(register_module("conv5_mask",
                                 nn::ConvTranspose2d(nn::ConvTranspose2dOptions(channels, channels, 2).stride(2)))),
      mask_fcn_logits(register_module("mask_fcn_logits", conv2d(nn::Conv2dOptions(channels, num_classes, 1)))) {}

at::Tensor MaskPredictorImpl::forward(const at::Tensor& x, const at::Tensor& classes) {
  // Squares of the transposed convolution do not overlap: each is a product of the pixel's channels. The last layer is
  // a product with the weights of the region's class, whose values alone are moved to their places.
  const int64_t maps = x.size(0), height = x.size(2), width = x.size(3);
  const int64_t side = conv5_mask->weight.size(3), channels = conv5_mask->weight.size(1);
  const at::Tensor weight = conv5_mask->weight.permute({2, 3, 1, 0}).flatten(0, 2).unsqueeze(2).unsqueeze(3);
  const at::Tensor pixels = convolve_pixels(x, weight, conv5_mask->bias.repeat({side * side}), /*relu=*/true)
                                .permute({0, 2, 3, 1})
                                .reshape({maps, height * width * side * side, channels});  // [K, 14 · 14 · 4, C]
  const at::Tensor own = mask_fcn_logits->weight.flatten(1).index_select(0, classes).unsqueeze(2);  // [K, C, 1]
  const at::Tensor bias = mask_fcn_logits->bias.index_select(0, classes).view({-1, 1, 1});
  return at::baddbmm(bias, pixels, own)  // [K, 14 · 14 · 4, 1]
      .view({maps, height, width, side, side})
      .permute({0, 1, 3, 2, 4})
      .reshape({maps, height * side, width * side});  // [K, 28, 28]
}

void MaskPredictorImpl::initialize(const at::Generator& generator, HeadInitialization initialization) {
  init::kaiming_normal_fan_out(conv5_mask->weight, generator);
  if (initialization == HeadInitialization::kDetectron2) {
    constexpr double kDeviation = 0.001;
    init::zero(conv5_mask->bias);
    init::normal(mask_fcn_logits->weight, kDeviation, generator);
    init::zero(mask_fcn_logits->bias);
    return;
  }
  init::kaiming_normal_fan_out(mask_fcn_logits->weight, generator);
  init::default_bias(conv5_mask->weight, conv5_mask->bias, generator);
  init::default_bias(mask_fcn_logits->weight, mask_fcn_logits->bias, generator);
}

at::Tensor mask_targets(const at::Tensor& masks, const at::Tensor& proposals, const at::Tensor& matched, int64_t side,
                        MaskTargetRule rule) {
  if (proposals.size(0) == 0) return at::zeros({0, side, side}, proposals.options());
  const at::Tensor bitmaps = masks.unsqueeze(1).to(proposals.scalar_type());                         // [T, 1, H, W]
  const at::Tensor rois = at::cat({matched.unsqueeze(1).to(proposals.scalar_type()), proposals}, 1);  // [N, 5]
  const bool is_binary = rule == MaskTargetRule::kBinary;
  const at::Tensor targets =
      ops::roi_align(bitmaps, rois,
                     {.height = side, .width = side, .spatial_scale = 1, .sampling_ratio = 0, .aligned = is_binary})
          .squeeze(1);  // [N, side, side]
  constexpr double kHalf = 0.5;
  return is_binary ? targets.ge(kHalf).to(targets.scalar_type()) : targets;
}

at::Tensor mask_loss(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor exact = at_least_float32(logits);
  if (exact.numel() == 0) return exact.sum() * 0;
  return at::binary_cross_entropy_with_logits(exact, targets.to(exact.scalar_type()));
}

}  // namespace reviewkd::detection
