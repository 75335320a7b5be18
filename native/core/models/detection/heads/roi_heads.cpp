#include "core/models/detection/heads/roi_heads.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/base/numeric.h"
#include "core/base/random.h"
#include "core/models/detection/boxes/box_weights.h"
#include "core/models/init.h"
#include "core/models/layers.h"
#include "core/ops/box_losses/box_losses.h"
#include "core/ops/nms/nms.h"

namespace reviewkd::detection {
namespace nn = torch::nn;
namespace {

constexpr int64_t kBoxHeadFeatures = 1024;

/// The proposals of one image that the losses are computed from.
struct SampledProposals {
  at::Tensor boxes;    // [K, 4]
  at::Tensor labels;   // [K], 0 for background
  at::Tensor matches;  // [K], objects of those that are no background
  at::Tensor deltas;   // [K, 4]
};

SampledProposals sample_proposals(const at::Tensor& proposals, const ImageTargets& targets, const RoiOptions& options,
                                  uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const at::Tensor boxes = at::cat({proposals, targets.boxes.to(proposals.scalar_type())});
  const at::Tensor matches = match(targets, boxes, options.matching);
  const at::Tensor labels =
      matched_rows(targets.labels, matches).masked_fill(matches.eq(-1), 0).masked_fill(matches.eq(-2), -1);
  const auto [positive, negative] = sample(labels, options.sampling, seed);
  const at::Tensor sampled = std::get<0>(at::cat({positive, negative}).sort());
  SampledProposals result{
      .boxes = boxes.index_select(0, sampled),
      .labels = labels.index_select(0, sampled),
      .matches = matches.index_select(0, sampled).clamp_min(0),
      .deltas = {},
  };
  const at::Tensor truths = matched_rows(targets.boxes, result.matches).to(boxes.scalar_type());
  result.deltas = ops::encode_boxes(truths, result.boxes, options.box_weights);
  return result;
}

/// Of each image's proposals, those that a label says are objects.
struct Foreground {
  std::vector<at::Tensor> boxes, matches;
  at::Tensor labels;  // of all
};

Foreground foreground_of(const std::vector<SampledProposals>& samples) {
  Foreground result;
  std::vector<at::Tensor> labels;
  for (const auto& sample : samples) {
    const at::Tensor positive = at::nonzero(sample.labels.gt(0)).squeeze(1);
    result.boxes.push_back(sample.boxes.index_select(0, positive));
    result.matches.push_back(sample.matches.index_select(0, positive));
    labels.push_back(sample.labels.index_select(0, positive));
  }
  result.labels = at::cat(labels);
  return result;
}

Detections detect_one(const BoxPredictions& predictions, const at::Tensor& proposals, ImageSize image,
                      const RoiOptions& options) {
  const at::Tensor logits = predictions.logits.to(proposals.scalar_type());
  const at::Tensor deltas = predictions.deltas.to(proposals.scalar_type());
  const int64_t classes = logits.size(1);
  at::Tensor boxes =
      ops::decode_boxes(deltas, proposals, options.box_weights).view({-1, classes, 4});  // [K, classes, 4]
  boxes = ops::clip_boxes(boxes, static_cast<double>(image.height), static_cast<double>(image.width));
  const at::Tensor scores = logits.softmax(1);  // [K, classes]
  // Without the background.
  at::Tensor found = at::nonzero(scores.slice(1, 1).gt(options.score_threshold));  // [M, 2]
  const at::Tensor rows = found.select(1, 0), labels = found.select(1, 1) + 1;
  at::Tensor candidates = boxes.index({rows, labels}), candidate_scores = scores.index({rows, labels});
  at::Tensor candidate_labels = labels;
  if (options.min_size) {
    const at::Tensor large = sizable_boxes(candidates, *options.min_size);
    candidates = candidates.index_select(0, large);
    candidate_scores = candidate_scores.index_select(0, large);
    candidate_labels = labels.index_select(0, large);
  }
  at::Tensor kept = ops::batched_nms(candidates, candidate_scores, candidate_labels, options.nms_threshold);
  kept = kept.narrow(0, 0, std::min(kept.size(0), options.detections_per_image));
  return {candidates.index_select(0, kept),
          candidate_scores.index_select(0, kept),
          candidate_labels.index_select(0, kept),
          {}};
}

}  // namespace

RoiOptions RoiOptions::from(const Options& options, int64_t num_classes, bool has_masks) {
  const auto pooling = [&](int64_t side) {
    return RoiPoolingOptions{.height = side,
                             .width = side,
                             .sampling_ratio = options.integer("roiSamplingRatio"),
                             .aligned = options.boolean("roiAligned"),
                             .levels = LevelOptions::from(options)};
  };
  constexpr int64_t kBoxSide = 7, kMaskSide = 14;
  RoiOptions roi{
      .num_classes = num_classes,
      .matching = {options.number("boxFgIouThresh"), options.number("boxBgIouThresh"), /*allow_low_quality=*/false},
      .sampling = {options.integer("boxBatchSizePerImage"), options.number("boxPositiveFraction")},
      .box_weights = box_weights_from(options, "boxRegWeights"),
      .smooth_l1_beta = options.number("boxLossBeta"),
      .box_pooling = pooling(kBoxSide),
      .mask_pooling = pooling(kMaskSide),
      .score_threshold = options.number("boxScoreThresh"),
      .nms_threshold = options.number("boxNmsThresh"),
      .min_size = std::nullopt,
      .detections_per_image = options.integer("boxDetectionsPerImg"),
      .masks = std::nullopt,
  };
  options.read("boxMinSize", roi.min_size);
  if (has_masks) roi.masks = MaskOptions::from(options);
  return roi;
}

RoiHeadsImpl::RoiHeadsImpl(int64_t channels, const RoiOptions& options)
    : options_(options),
      fc6_(linear(channels * options.box_pooling.height * options.box_pooling.width, kBoxHeadFeatures)),
      fc7_(linear(kBoxHeadFeatures, kBoxHeadFeatures)),
      cls_score_(linear(kBoxHeadFeatures, options.num_classes)),
      bbox_pred_(linear(kBoxHeadFeatures, 4 * options.num_classes)) {
  const auto box_head = register_module("box_head", std::make_shared<nn::Module>());
  box_head->register_module("fc6", fc6_);
  box_head->register_module("fc7", fc7_);
  const auto box_predictor = register_module("box_predictor", std::make_shared<nn::Module>());
  box_predictor->register_module("cls_score", cls_score_);
  box_predictor->register_module("bbox_pred", bbox_pred_);
  if (!options.masks) return;
  mask_head_ = register_module("mask_head", MaskHead(channels));
  mask_predictor_ = register_module("mask_predictor", MaskPredictor(kMaskChannels, options.num_classes));
}

BoxHeadOutput RoiHeadsImpl::predict(const RoiFeatures& features, const std::vector<at::Tensor>& proposals) {
  return predict_regions(features, regions_of(proposals));
}

BoxHeadOutput RoiHeadsImpl::predict_regions(const RoiFeatures& features, const at::Tensor& regions) {
  auto [x, maps] = pooled_linear(features.maps, regions, map_scales(features.maps, features.images),
                                 options_.box_pooling, fc6_->weight, fc6_->bias);  // [K, 1024]
  x = fc7_(x.relu_()).relu_();
  return {{at_least_float32(cls_score_(x)), at_least_float32(bbox_pred_(x))}, {std::move(maps), features.images}};
}

at::Tensor RoiHeadsImpl::mask_logits(const RoiFeatures& features, const at::Tensor& regions, const at::Tensor& labels) {
  const at::Tensor pooled = multiscale_roi_align(features.maps, regions, map_scales(features.maps, features.images),
                                                 options_.mask_pooling);  // [ΣK, C, 14, 14]
  return mask_predictor_(mask_head_(pooled), labels);
}

at::Tensor RoiHeadsImpl::mask_probabilities(const RoiFeatures& features, const at::Tensor& regions,
                                            const at::Tensor& labels) {
  return at_least_float32(mask_logits(features, regions, labels)).sigmoid();
}

RoiTrainingOutput RoiHeadsImpl::losses(const RoiFeatures& features, const std::vector<at::Tensor>& proposals,
                                       const std::vector<ImageTargets>& targets, uint64_t seed) {
  std::vector<SampledProposals> samples;
  std::vector<at::Tensor> boxes, labels, deltas;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const auto& sampled = samples.emplace_back(sample_proposals(proposals[i], targets[i], options_, key_of({seed, i})));
    boxes.push_back(sampled.boxes);
    labels.push_back(sampled.labels);
    deltas.push_back(sampled.deltas);
  }
  const auto [predictions, maps] = predict(features, boxes);
  RegionSample regions{std::move(boxes), at::cat(labels), predictions.logits};
  RoiLosses losses =
      roi_losses(predictions.logits, predictions.deltas, regions.labels, at::cat(deltas), options_.smooth_l1_beta);
  if (!options_.masks) return {std::move(losses), std::move(regions)};

  const Foreground foreground = foreground_of(samples);
  const at::Tensor logits = mask_logits(maps, regions_of(foreground.boxes), foreground.labels);  // [P, 28, 28]
  std::vector<at::Tensor> wanted;
  wanted.reserve(targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    wanted.push_back(mask_targets(targets[i].masks, foreground.boxes[i], foreground.matches[i], logits.size(2),
                                  options_.masks->targets));
  }
  losses.mask = mask_loss(logits, at::cat(wanted));
  return {std::move(losses), std::move(regions)};
}

std::vector<Detections> RoiHeadsImpl::detect(const RoiFeatures& features, const std::vector<at::Tensor>& proposals) {
  std::vector<Detections> found;
  for (size_t i = 0; i < proposals.size(); ++i) {
    // One image after the other: the pooled features of a thousand proposals are larger than the maps.
    RoiFeatures own{{}, features.images};
    for (const at::Tensor& map : features.maps) own.maps.push_back(map.narrow(0, static_cast<int64_t>(i), 1));
    Detections image = detect_one(predict(own, {proposals[i]}).predictions, proposals[i], features.images[i], options_);
    if (options_.masks) image.masks = mask_probabilities(own, regions_of(std::vector{image.boxes}), image.labels);
    found.push_back(std::move(image));
  }
  return found;
}

void RoiHeadsImpl::run_on(const RoiFeatures& features, int64_t regions) {
  const ImageSize image = features.images.at(0);
  const at::Tensor boxes = at::tensor({0.0, 0.0, static_cast<double>(image.width), static_cast<double>(image.height)},
                                      features.maps.at(0).options())
                               .repeat({regions, 1});  // [regions, 4]
  predict(features, {boxes});
  if (!options_.masks) return;
  const at::Tensor found = boxes.narrow(0, 0, std::min(regions, options_.detections_per_image));
  mask_logits(features, regions_of(std::vector{found}), at::zeros({found.size(0)}, at::kLong));
}

void RoiHeadsImpl::initialize(const at::Generator& generator, HeadInitialization initialization) {
  const bool is_detectron2 = initialization == HeadInitialization::kDetectron2;
  constexpr double kScoreDeviation = 0.01, kBoxDeviation = 0.001;
  for (auto& layer : {fc6_, fc7_}) {
    if (is_detectron2) {
      init::kaiming_uniform(layer->weight, 1.0, generator);
      init::zero(layer->bias);
    } else {
      init::torch_default(layer->weight, layer->bias, generator);
    }
  }
  for (const auto& [layer, deviation] : {std::pair{cls_score_, kScoreDeviation}, {bbox_pred_, kBoxDeviation}}) {
    if (is_detectron2) {
      init::normal(layer->weight, deviation, generator);
      init::zero(layer->bias);
    } else {
      init::torch_default(layer->weight, layer->bias, generator);
    }
  }
  if (!mask_head_) return;
  mask_head_->initialize(generator);
  mask_predictor_->initialize(generator, initialization);
}

RoiLosses roi_losses(const at::Tensor& logits, const at::Tensor& deltas, const at::Tensor& labels,
                     const at::Tensor& targets, double smooth_l1_beta) {
  if (labels.numel() == 0) return {logits.sum() * 0, deltas.sum() * 0, {}};
  const at::Tensor positive = at::nonzero(labels.gt(0)).squeeze(1);
  const at::Tensor by_class = deltas.view({deltas.size(0), -1, 4});  // [N, classes, 4]
  const at::Tensor own = by_class.index({positive, labels.index_select(0, positive)});  // [P, 4]
  const at::Tensor boxes =
      ops::smooth_l1_loss(own, targets.index_select(0, positive).to(own.scalar_type()), smooth_l1_beta).sum();
  return {at::cross_entropy_loss(logits, labels), boxes / static_cast<double>(labels.numel()), {}};
}

std::vector<Detections> roi_detections(const BoxPredictions& predictions, const std::vector<at::Tensor>& proposals,
                                       const std::vector<ImageSize>& images, const RoiOptions& options) {
  std::vector<Detections> found;
  int64_t begin = 0;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const int64_t count = proposals[i].size(0);
    found.push_back(detect_one({predictions.logits.narrow(0, begin, count), predictions.deltas.narrow(0, begin, count)},
                               proposals[i], images[i], options));
    begin += count;
  }
  return found;
}

}  // namespace reviewkd::detection
