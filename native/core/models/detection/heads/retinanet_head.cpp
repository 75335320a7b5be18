#include "core/models/detection/heads/retinanet_head.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/models/detection/boxes/box_weights.h"
#include "core/models/detection/heads/conv_layer.h"
#include "core/models/detection/heads/rpn.h"
#include "core/models/init.h"
#include "core/models/layers.h"
#include "core/ops/box_losses/box_losses.h"
#include "core/ops/focal_loss/focal_loss.h"
#include "core/ops/nms/nms.h"

namespace reviewkd::detection {
namespace nn = torch::nn;
namespace {

constexpr int kBranchLayers = 4;

/// Loss of the objects' anchors of one image, summed.
at::Tensor box_loss(const at::Tensor& deltas, const at::Tensor& truths, const at::Tensor& anchors,
                    const RetinaNetOptions& options) {
  if (options.box_loss == BoxLossKind::kGeneralizedIou) {
    constexpr double kEpsilon = 1e-7;
    const at::Tensor boxes = ops::decode_boxes(deltas, anchors, options.box_weights);
    return ops::generalized_box_iou_loss(boxes, truths, kEpsilon).sum();
  }
  const at::Tensor wanted = ops::encode_boxes(truths, anchors, options.box_weights).to(deltas.scalar_type());
  return ops::smooth_l1_loss(deltas, wanted, options.box_loss == BoxLossKind::kL1 ? 0.0 : options.smooth_l1_beta).sum();
}

/// The running mean of detectron2: 0.9 · before + 0.1 · objects.
double updated(at::Tensor& normalizer, int64_t objects) {
  constexpr double kKept = 0.9;
  const double next =
      kKept * normalizer.item<double>() + (1 - kKept) * static_cast<double>(std::max<int64_t>(1, objects));
  normalizer.fill_(next);
  return next;
}

/// Candidates of one image: of each level those with the highest scores.
struct Candidates {
  at::Tensor boxes, scores, labels;
};

Candidates best_candidates(const at::Tensor& logits, const at::Tensor& deltas, const AnchorGrid& anchors,
                           const RetinaNetOptions& options) {
  const int64_t classes = logits.size(1);
  std::vector<at::Tensor> boxes, scores, labels;
  int64_t begin = 0;
  for (const at::Tensor& level : anchors.levels) {
    const at::Tensor all = logits.narrow(0, begin, level.size(0)).flatten().sigmoid();  // [A · classes]
    const at::Tensor above = at::nonzero(all.gt(options.score_threshold)).squeeze(1);
    const auto [best, order] = all.index_select(0, above).topk(std::min(options.candidates_per_level, above.size(0)));
    const at::Tensor chosen = above.index_select(0, order);
    const at::Tensor anchor = at::div(chosen, classes, "floor");
    scores.push_back(best);
    labels.push_back(at::remainder(chosen, classes));
    boxes.push_back(ops::decode_boxes(deltas.narrow(0, begin, level.size(0)).index_select(0, anchor),
                                      level.index_select(0, anchor), options.box_weights));
    begin += level.size(0);
  }
  return {at::cat(boxes), at::cat(scores), at::cat(labels)};
}

}  // namespace

RetinaNetBranchImpl::RetinaNetBranchImpl(int64_t channels, int64_t outputs, const std::string& last)
    : last_(conv2d(nn::Conv2dOptions(channels, outputs, 3).padding(1))) {
  for (int i = 0; i < kBranchLayers; ++i) conv->push_back(ConvLayer(channels, channels, 3));
  register_module("conv", conv);
  register_module(last, last_.layer());
}

std::vector<at::Tensor> RetinaNetBranchImpl::forward(const std::vector<at::Tensor>& levels) {
  std::vector<at::Tensor> outputs;
  for (at::Tensor x : levels) {
    for (const auto& layer : *conv) x = layer->as<ConvLayerImpl>()->relu(x);  // [N, C, H, W]
    outputs.push_back(last_(x));                                              // [N, outputs, H, W]
  }
  return outputs;
}

RetinaNetHeadImpl::RetinaNetHeadImpl(int64_t channels, int64_t anchors, int64_t num_classes)
    : num_classes_(num_classes),
      classification_head(
          register_module("classification_head", RetinaNetBranch(channels, anchors * num_classes, "cls_logits"))),
      regression_head(register_module("regression_head", RetinaNetBranch(channels, anchors * 4, "bbox_reg"))) {}

RetinaNetOutput RetinaNetHeadImpl::forward(const std::vector<at::Tensor>& levels) {
  return {by_anchor(classification_head->forward(levels), num_classes_),
          by_anchor(regression_head->forward(levels), 4)};
}

void RetinaNetHeadImpl::initialize(const at::Generator& generator) {
  constexpr double kDeviation = 0.01, kPrior = 0.01;
  const auto draw = [&](const at::Tensor& weight, const at::Tensor& bias) {
    init::normal(weight, kDeviation, generator);
    init::zero(bias);
  };
  init::each_layer(*this, draw, draw);
  const torch::NoGradGuard no_grad;
  classification_head->last()->bias.fill_(-std::log((1 - kPrior) / kPrior));
}

RetinaNetOptions RetinaNetOptions::from(const Options& options) {
  return {
      .matching = {options.number("fgIouThresh"), options.number("bgIouThresh"), /*allow_low_quality=*/true},
      .box_weights = {},
      .alpha = 0.25,
      .gamma = 2,
      .box_loss = options.choice<BoxLossKind>(
          "boxLoss",
          {{"l1", BoxLossKind::kL1}, {"smoothL1", BoxLossKind::kSmoothL1}, {"giou", BoxLossKind::kGeneralizedIou}}),
      .smooth_l1_beta = options.number("boxLossBeta"),
      .normalizer = options.choice<RetinaNetNormalizer>(
          "retinaNetNormalizer",
          {{"image", RetinaNetNormalizer::kImage}, {"running-mean", RetinaNetNormalizer::kRunningMean}}),
      .score_threshold = options.number("scoreThresh"),
      .nms_threshold = options.number("nmsThresh"),
      .candidates_per_level = options.integer("topkCandidates"),
      .detections_per_image = options.integer("detectionsPerImg"),
      .clips_before_nms = options.boolean("clipBeforeNms"),
  };
}

RetinaNetLosses retinanet_losses(const RetinaNetOutput& output, const AnchorGrid& anchors,
                                 const std::vector<ImageTargets>& targets, const RetinaNetOptions& options,
                                 at::Tensor normalizer) {
  const at::Tensor all_anchors = at::cat(anchors.levels);  // [A, 4]
  RetinaNetLosses losses;
  std::vector<at::Tensor> classification, boxes;
  std::vector<int64_t> objects;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto image = static_cast<int64_t>(i);
    const at::Tensor matches = match(targets[i], all_anchors, options.matching);
    losses.matches.push_back(matches);
    const at::Tensor positive = at::nonzero(matches.ge(0)).squeeze(1);
    objects.push_back(positive.numel());
    const at::Tensor labels = matched_rows(targets[i].labels, matches);  // [A]
    const at::Tensor classes = at::where(matches.ge(0), labels, matches);
    classification.push_back(ops::sigmoid_focal_loss_sum(output.logits[image], classes, options.alpha, options.gamma));
    const at::Tensor truths = matched_rows(targets[i].boxes, matches.index_select(0, positive));
    boxes.push_back(box_loss(output.deltas[image].index_select(0, positive), truths,
                             all_anchors.index_select(0, positive), options));
  }
  if (options.normalizer == RetinaNetNormalizer::kRunningMean) {
    int64_t all = 0;
    for (const int64_t count : objects) all += count;
    const double divisor = updated(normalizer, all);
    losses.classification = at::stack(classification).sum() / divisor;
    losses.box_regression = at::stack(boxes).sum() / divisor;
    return losses;
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto divisor = static_cast<double>(std::max<int64_t>(1, objects[i]));
    classification[i] = classification[i] / divisor;
    boxes[i] = boxes[i] / divisor;
  }
  losses.classification = at::stack(classification).mean();
  losses.box_regression = at::stack(boxes).mean();
  return losses;
}

std::vector<Detections> retinanet_detections(const RetinaNetOutput& output, const AnchorGrid& anchors,
                                             const std::vector<ImageSize>& images, const RetinaNetOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto type = anchors.levels.front().scalar_type();
  std::vector<Detections> found;
  for (size_t i = 0; i < images.size(); ++i) {
    const auto image = static_cast<int64_t>(i);
    auto [boxes, scores, labels] =
        best_candidates(output.logits[image].to(type), output.deltas[image].to(type), anchors, options);
    if (options.clips_before_nms) {
      boxes = ops::clip_boxes(boxes, static_cast<double>(images[i].height), static_cast<double>(images[i].width));
    }
    at::Tensor kept = ops::batched_nms(boxes, scores, labels, options.nms_threshold);
    kept = kept.narrow(0, 0, std::min(kept.size(0), options.detections_per_image));
    found.push_back({boxes.index_select(0, kept), scores.index_select(0, kept), labels.index_select(0, kept), {}});
  }
  return found;
}

}  // namespace reviewkd::detection
