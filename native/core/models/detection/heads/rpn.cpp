#include "core/models/detection/heads/rpn.h"

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
#include "core/ops/pixel_squares/pixel_squares.h"

namespace reviewkd::detection {
namespace nn = torch::nn;
namespace {

/// The best anchors of one image: of each level those with the highest scores.
struct BestAnchors {
  at::Tensor indices, levels;  // int64 [K]
};

BestAnchors best_anchors(const at::Tensor& objectness, const AnchorGrid& anchors, int64_t most) {
  std::vector<at::Tensor> indices, levels;
  int64_t begin = 0;
  for (size_t level = 0; level < anchors.levels.size(); ++level) {
    const int64_t count = anchors.levels[level].size(0);
    const auto best = objectness.narrow(0, begin, count).topk(std::min(most, count));
    indices.push_back(std::get<1>(best) + begin);
    levels.push_back(at::full_like(indices.back(), static_cast<int64_t>(level)));
    begin += count;
  }
  return {at::cat(indices), at::cat(levels)};
}

/// Proposals of one image.
at::Tensor propose_one(const at::Tensor& objectness, const at::Tensor& deltas, const AnchorGrid& anchors,
                       const at::Tensor& all_anchors, ImageSize image, const RpnOptions& options) {
  const auto [indices, levels] = best_anchors(objectness, anchors, options.pre_nms_top_n);
  at::Tensor boxes = ops::decode_boxes(deltas.index_select(0, indices), all_anchors.index_select(0, indices),
                                       options.box_weights);  // [K, 4]
  boxes = ops::clip_boxes(boxes, static_cast<double>(image.height), static_cast<double>(image.width));
  const at::Tensor large = sizable_boxes(boxes, options.min_size);
  boxes = boxes.index_select(0, large);
  const at::Tensor scores = objectness.index_select(0, indices.index_select(0, large)).sigmoid();
  const at::Tensor kept = ops::batched_nms(boxes, scores, levels.index_select(0, large), options.nms_threshold);
  return boxes.index_select(0, kept.narrow(0, 0, std::min(kept.size(0), options.post_nms_top_n)));
}

/// The outputs of a sample among all.
RpnSampleOutput sampled(const RpnOutput& output, const RpnSample& sample) {
  const at::Tensor rows = sample.images * output.objectness.size(1) + sample.anchors;
  return {output.objectness.flatten().index_select(0, rows), output.deltas.flatten(0, 1).index_select(0, rows)};
}

}  // namespace

RpnHeadImpl::RpnHeadImpl(int64_t channels, int64_t anchors)
    : anchors_(anchors),
      conv(register_module("conv", nn::Sequential(ConvLayer(channels, channels, 3)))),
      cls_logits(register_module("cls_logits", conv2d(nn::Conv2dOptions(channels, anchors, 1)))),
      bbox_pred(register_module("bbox_pred", conv2d(nn::Conv2dOptions(channels, 4 * anchors, 1)))) {}

RpnOutput RpnHeadImpl::forward(const std::vector<at::Tensor>& levels) {
  std::vector<at::Tensor> logits, deltas;
  for (const at::Tensor& level : levels) {
    const at::Tensor hidden = hidden_layer().relu(level);  // [N, C, H, W]
    const auto predicted = convolve_together(hidden, {cls_logits, bbox_pred});
    logits.push_back(predicted[0]);  // [N, A, H, W]
    deltas.push_back(predicted[1]);  // [N, 4 · A, H, W]
  }
  return {by_anchor(logits, 1).squeeze(2), by_anchor(deltas, 4)};
}

RpnTrainingOutput RpnHeadImpl::forward_for_training(const std::vector<at::Tensor>& levels, const RpnSample& sample) {
  int64_t positions = 0;
  for (const at::Tensor& level : levels) positions += level.size(0) * level.size(2) * level.size(3);
  constexpr int64_t kSquarePixels = 9;
  if (sample.anchors.size(0) * kSquarePixels > positions) {
    const RpnOutput all = forward(levels);
    return {all, sampled(all, sample), levels};
  }
  RpnTrainingOutput output = forward_at_positions(levels, sample);
  const torch::NoGradGuard no_grad;
  output.all = forward(levels);
  return output;
}

RpnTrainingOutput RpnHeadImpl::forward_at_positions(const std::vector<at::Tensor>& levels,
                                                    const RpnSample& sample) const {
  std::vector<ops::MapPositions> positions;
  std::vector<at::Tensor> places;  // in the sample, level by level
  int64_t begin = 0;
  for (const at::Tensor& level : levels) {
    const int64_t end = begin + level.size(2) * level.size(3) * anchors_;
    const at::Tensor own = at::nonzero(sample.anchors.ge(begin).logical_and(sample.anchors.lt(end))).squeeze(1);
    positions.push_back(
        {sample.images.index_select(0, own), (sample.anchors.index_select(0, own) - begin).div(anchors_, "floor")});
    places.push_back(own);
    begin = end;
  }
  const auto linear = [](const at::Tensor& x, const nn::Conv2d& layer) {
    return at::linear(x, layer->weight.permute({0, 2, 3, 1}).flatten(1), layer->bias);
  };
  const auto [squares, maps] = ops::pixel_squares(levels, positions);      // [S, 9 · C]
  const at::Tensor hidden = linear(squares, hidden_layer().layer()).relu();  // [S, C]
  const at::Tensor logits = at_least_float32(linear(hidden, cls_logits));   // [S, A]
  const at::Tensor deltas = at_least_float32(linear(hidden, bbox_pred));    // [S, 4 · A]
  const at::Tensor rows = at::argsort(at::cat(places)) * anchors_ + sample.anchors.remainder(anchors_);
  return {{}, {logits.flatten().index_select(0, rows), deltas.view({-1, 4}).index_select(0, rows)}, maps};
}

ConvLayerImpl& RpnHeadImpl::hidden_layer() const { return *conv->ptr(0)->as<ConvLayerImpl>(); }

void RpnHeadImpl::initialize(const at::Generator& generator) {
  constexpr double kDeviation = 0.01;
  const auto draw = [&](const at::Tensor& weight, const at::Tensor& bias) {
    init::normal(weight, kDeviation, generator);
    init::zero(bias);
  };
  init::each_layer(*this, draw, draw);
}

RpnOptions RpnOptions::from(const Options& options, bool training) {
  return {
      .matching = {options.number("rpnFgIouThresh"), options.number("rpnBgIouThresh"), /*allow_low_quality=*/true},
      .sampling = {options.integer("rpnBatchSizePerImage"), options.number("rpnPositiveFraction")},
      .normalizer = options.choice<RpnNormalizer>(
          "rpnLossNormalizer", {{"sampled", RpnNormalizer::kSampled}, {"batch-size", RpnNormalizer::kBatchSize}}),
      .box_weights = box_weights_from(options, "rpnBoxWeights"),
      .smooth_l1_beta = options.number("rpnBoxLossBeta"),
      .pre_nms_top_n = options.integer(training ? "rpnPreNmsTopNTrain" : "rpnPreNmsTopNTest"),
      .post_nms_top_n = options.integer(training ? "rpnPostNmsTopNTrain" : "rpnPostNmsTopNTest"),
      .nms_threshold = options.number("rpnNmsThresh"),
      .min_size = options.number("rpnMinSize"),
  };
}

std::vector<at::Tensor> propose(const RpnOutput& output, const AnchorGrid& anchors,
                                const std::vector<ImageSize>& images, const RpnOptions& options) {
  const torch::NoGradGuard no_grad;
  const at::Tensor all_anchors = at::cat(anchors.levels);  // [A, 4]
  std::vector<at::Tensor> proposals;
  for (size_t i = 0; i < images.size(); ++i) {
    const auto image = static_cast<int64_t>(i);
    proposals.push_back(propose_one(output.objectness[image].to(all_anchors.scalar_type()),
                                    output.deltas[image].to(all_anchors.scalar_type()), anchors, all_anchors, images[i],
                                    options));
  }
  return proposals;
}

RpnSample sample_anchors(const AnchorGrid& anchors, const std::vector<ImageTargets>& targets, const RpnOptions& options,
                         uint64_t seed) {
  const at::Tensor all_anchors = at::cat(anchors.levels);  // [A, 4]
  RpnSample result;
  std::vector<at::Tensor> images, chosen, labels, positive, deltas;
  int64_t count = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const at::Tensor matches = match(targets[i], all_anchors, options.matching);
    // 1 object, 0 background, -1 ignored
    const at::Tensor all_labels = at::where(matches.ge(0), at::ones_like(matches), (matches + 1).clamp_min(-1));
    const Sample own = sample(all_labels, options.sampling, key_of({seed, i}));
    chosen.push_back(at::cat({own.positive, own.negative}));
    images.push_back(at::full_like(chosen.back(), static_cast<int64_t>(i)));
    labels.push_back(all_labels.index_select(0, chosen.back()));
    positive.push_back(at::arange(own.positive.size(0), own.positive.options()) + count);
    const at::Tensor truths = matched_rows(targets[i].boxes, matches.index_select(0, own.positive));
    deltas.push_back(ops::encode_boxes(truths, all_anchors.index_select(0, own.positive), options.box_weights));
    result.all_labels.push_back(all_labels);
    count += chosen.back().size(0);
  }
  result.images = at::cat(images);
  result.anchors = at::cat(chosen);
  result.labels = at::cat(labels);
  result.positive = at::cat(positive);
  result.deltas = at::cat(deltas);
  return result;
}

RpnLosses rpn_losses(const RpnSampleOutput& output, const RpnSample& sample, const RpnOptions& options) {
  const at::Tensor& logits = output.objectness;
  const at::Tensor deltas = output.deltas.index_select(0, sample.positive);
  const auto count =
      static_cast<double>(options.normalizer == RpnNormalizer::kSampled
                              ? logits.numel()
                              : options.sampling.batch_size_per_image * static_cast<int64_t>(sample.all_labels.size()));
  const at::Tensor objectness =
      at::binary_cross_entropy_with_logits(logits, sample.labels.to(logits.scalar_type()), {}, {}, at::Reduction::Sum);
  const at::Tensor boxes =
      ops::smooth_l1_loss(deltas, sample.deltas.to(deltas.scalar_type()), options.smooth_l1_beta).sum();
  return {objectness / count, boxes / count};
}

at::Tensor by_anchor(const std::vector<at::Tensor>& maps, int64_t channels) {
  std::vector<at::Tensor> levels;
  levels.reserve(maps.size());
  for (const at::Tensor& map : maps) {
    // [N, A · C, H, W] -> [N, H, W, A · C] -> [N, H · W · A, C]
    levels.push_back(at_least_float32(map).permute({0, 2, 3, 1}).reshape({map.size(0), -1, channels}));
  }
  return at::cat(levels, 1);
}

}  // namespace reviewkd::detection
