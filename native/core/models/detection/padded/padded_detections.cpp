#include "core/models/detection/padded/padded_detections.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "core/ops/boxes/boxes.h"
#include "core/ops/nms/suppressed_scores.h"

namespace reviewkd::detection {
namespace {

constexpr int64_t kNoLabel = -1;

/// Rows of values [N, K, …] for each image. rows: int64 [N, R].
at::Tensor rows_of(const at::Tensor& values, const at::Tensor& rows) {
  if (values.dim() == 2) return values.gather(1, rows);
  return values.gather(1, rows.unsqueeze(2).expand({rows.size(0), rows.size(1), values.size(2)}));
}

/// Whole numbers where the boxes are.
at::TensorOptions whole_numbers(const at::Tensor& boxes) { return boxes.options().dtype(at::kLong); }

/// Which boxes [N, K, 4] have sides of at least this; 0: of more than 0.
at::Tensor is_sizable(const at::Tensor& boxes, double min_size) {
  const at::Tensor width = boxes.select(2, 2) - boxes.select(2, 0), height = boxes.select(2, 3) - boxes.select(2, 1);
  if (min_size > 0) return width.ge(min_size).logical_and(height.ge(min_size));
  return width.gt(0).logical_and(height.gt(0));
}

/// Scores where the condition holds, else 0.
at::Tensor scores_where(const at::Tensor& condition, const at::Tensor& scores) {
  return at::where(condition, scores, at::zeros({}, scores.options()));
}

at::Tensor clip(const at::Tensor& boxes, ImageSize image) {
  return ops::clip_boxes(boxes, static_cast<double>(image.height), static_cast<double>(image.width));
}

/// The `most` objects of the highest scores, in their order. Masks are optional.
PaddedDetections best_objects(const PaddedDetections& all, int64_t most) {
  const auto [best, rows] = all.scores.topk(std::min(most, all.scores.size(1)), 1);  // [N, D]
  const at::Tensor is_object = best.gt(0);
  PaddedDetections found{
      at::where(is_object.unsqueeze(2), rows_of(all.boxes, rows), at::zeros({}, all.boxes.options())),
      best,
      at::where(is_object, rows_of(all.labels, rows), at::full({}, kNoLabel, all.labels.options())),
      {}};
  if (all.masks.defined()) found.masks = rows_of(all.masks.flatten(2), rows).view(all.masks.sizes());
  return found;
}

/// Decodes deltas [N, K, 4 · C] for boxes [N, K, 4] -> [N, K, 4 · C].
at::Tensor decode(const at::Tensor& deltas, const at::Tensor& boxes, const ops::BoxWeights& weights) {
  return ops::decode_boxes(deltas.flatten(0, 1), boxes.flatten(0, 1), weights).view(deltas.sizes());
}

/// The level's anchors of these numbers, [N, K] -> [N, K, 4].
at::Tensor anchors_of(const at::Tensor& level, const at::Tensor& numbers) {
  return level.index_select(0, numbers.flatten()).view({numbers.size(0), numbers.size(1), 4});
}

}  // namespace

ScoredBoxes propose_padded(const RpnOutput& output, const AnchorGrid& anchors, ImageSize image,
                           const RpnOptions& options) {
  std::vector<at::Tensor> boxes, scores;
  int64_t begin = 0;
  for (const at::Tensor& level : anchors.levels) {
    const int64_t count = level.size(0);
    const auto [logits, best] =
        output.objectness.narrow(1, begin, count).topk(std::min(options.pre_nms_top_n, count), 1);  // [N, K]
    const at::Tensor moved =
        clip(decode(rows_of(output.deltas.narrow(1, begin, count), best), anchors_of(level, best), options.box_weights),
             image);  // [N, K, 4]
    const at::Tensor candidates = scores_where(is_sizable(moved, options.min_size), logits.sigmoid());
    scores.push_back(ops::suppressed_scores(moved, candidates.unsqueeze(1), options.nms_threshold).squeeze(1));
    boxes.push_back(moved);
    begin += count;
  }
  const at::Tensor all = at::cat(scores, 1);
  const auto [best, rows] = all.topk(std::min(options.post_nms_top_n, all.size(1)), 1);
  return {rows_of(at::cat(boxes, 1), rows), best};
}

PaddedDetections roi_detections_padded(const BoxPredictions& predictions, const ScoredBoxes& proposals, ImageSize image,
                                       const RoiOptions& options) {
  const int64_t images = proposals.boxes.size(0), regions = proposals.boxes.size(1), classes = options.num_classes;
  const int64_t objects = classes - 1;  // without the background
  at::Tensor boxes = decode(predictions.deltas.view({images, regions, 4 * classes}), proposals.boxes,
                            options.box_weights);  // [N, P, 4 · classes]
  boxes = clip(boxes.view({images, regions, classes, 4}).slice(2, 1), image);  // [N, P, objects, 4]
  boxes = boxes.transpose(1, 2).reshape({images * objects, regions, 4});       // a group for each class
  const at::Tensor all =
      predictions.logits.view({images, regions, classes}).softmax(2).slice(2, 1).transpose(1, 2);  // [N, objects, P]
  at::Tensor present = all.gt(options.score_threshold).logical_and(proposals.scores.gt(0).unsqueeze(1));
  if (options.min_size)
    present = present.logical_and(is_sizable(boxes, *options.min_size).view({images, objects, regions}));
  const at::Tensor scores = scores_where(present, all).reshape({images * objects, 1, regions});
  const at::Tensor kept = ops::suppressed_scores(boxes, scores, options.nms_threshold)
                              .view({images, objects, regions})
                              .transpose(1, 2)
                              .reshape({images, regions * objects});  // classes of a proposal one after the other
  boxes = boxes.view({images, objects, regions, 4}).transpose(1, 2).reshape({images, regions * objects, 4});
  const at::Tensor labels = at::arange(regions * objects, whole_numbers(boxes)).remainder(objects) + 1;
  return best_objects({boxes, kept, labels.unsqueeze(0).expand({images, regions * objects}), {}},
                      options.detections_per_image);
}

PaddedDetections retinanet_detections_padded(const RetinaNetOutput& output, const AnchorGrid& anchors, ImageSize image,
                                             const RetinaNetOptions& options) {
  const int64_t classes = output.logits.size(2);
  std::vector<at::Tensor> boxes, scores, labels;
  int64_t begin = 0;
  for (const at::Tensor& level : anchors.levels) {
    const int64_t count = level.size(0);
    const at::Tensor all = output.logits.narrow(1, begin, count).sigmoid().flatten(1);  // [N, A · classes]
    const auto [best, chosen] = scores_where(all.gt(options.score_threshold), all)
                                    .topk(std::min(options.candidates_per_level, count * classes), 1);  // [N, K]
    const at::Tensor anchor = at::div(chosen, classes, "floor");
    scores.push_back(best);
    labels.push_back(at::remainder(chosen, classes));
    boxes.push_back(
        decode(rows_of(output.deltas.narrow(1, begin, count), anchor), anchors_of(level, anchor), options.box_weights));
    begin += count;
  }
  at::Tensor all_boxes = at::cat(boxes, 1);
  const at::Tensor all_labels = at::cat(labels, 1);
  if (options.clips_before_nms) all_boxes = clip(all_boxes, image);
  // A row of scores for each class, since only boxes of one class suppress each other.
  const at::Tensor of_class =
      all_labels.unsqueeze(1).eq(at::arange(classes, all_labels.options()).view({1, classes, 1}));
  const at::Tensor by_class = scores_where(of_class, at::cat(scores, 1).unsqueeze(1));  // [N, classes, K]
  const at::Tensor kept = ops::suppressed_scores(all_boxes, by_class, options.nms_threshold).sum(1);
  return best_objects({all_boxes, kept, all_labels, {}}, options.detections_per_image);
}

PaddedDetections clipped(const PaddedDetections& found, ImageSize image) {
  const at::Tensor boxes = clip(found.boxes, image);
  // The objects that remain move up.
  return best_objects({boxes, scores_where(is_sizable(boxes, 0), found.scores), found.labels, found.masks},
                      found.scores.size(1));
}

}  // namespace reviewkd::detection
