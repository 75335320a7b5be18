#include "core/models/detection/heads/mask_head.h"

#include <ATen/ATen.h>

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
  for (int i = 0; i < kLayers; ++i) register_module(std::to_string(i), ConvLayer(channels, channels, 3));
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

at::Tensor MaskPredictorImpl::forward(const at::Tensor& x) {
  return convolve(mask_fcn_logits, at::relu(conv5_mask(x)));  // [K, classes, 28, 28]
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

at::Tensor mask_loss(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& targets) {
  if (labels.numel() == 0) return logits.sum() * 0;
  const at::Tensor own = logits.index({at::arange(labels.size(0), labels.options()), labels});  // [N, S, S]
  return at::binary_cross_entropy_with_logits(own, targets.to(own.scalar_type()));
}

}  // namespace reviewkd::detection
