#include "core/tasks/detection/detection.h"

#include <ATen/ATen.h>

#include <numeric>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/data/label_error.h"
#include "core/ops/boxes/boxes.h"
#include "core/tasks/detection/detection_metrics.h"

namespace reviewkd {
namespace {

using detection::DetectorImpl;
using detection::DetectorLosses;
using detection::ImageTargets;

std::vector<LossInfo> losses_of(DetectorKind kind) {
  if (kind == DetectorKind::kRetinaNet)
    return {{.name = "classification", .label = "class"}, {.name = "bboxRegression", .label = "box"}};
  std::vector<LossInfo> losses = {{.name = "objectness", .label = "rpn class"},
                                  {.name = "rpnBoxReg", .label = "rpn box"},
                                  {.name = "classifier", .label = "class"},
                                  {.name = "boxReg", .label = "box"}};
  if (kind == DetectorKind::kMaskRcnn) losses.push_back({.name = "mask", .label = "mask"});
  return losses;
}

void check_shapes(const ImageTargets& image, ImageSize size, size_t index, bool needs_masks) {
  const auto count = image.labels.numel();
  if (image.boxes.dim() != 2 || image.boxes.size(1) != 4 || image.labels.dim() != 1 || image.boxes.size(0) != count) {
    fail(ErrorCode::kShapeMismatch, "invalid targets of image ", index,
         ": expected boxes [K, 4] and labels [K], received ", image.boxes.sizes(), " and ", image.labels.sizes(),
         ". Pass one label for each box.");
  }
  if (!needs_masks) return;
  if (!image.masks.defined() || image.masks.dim() != 3 || image.masks.size(0) != count ||
      image.masks.size(1) != size.height || image.masks.size(2) != size.width) {
    std::ostringstream received;
    if (image.masks.defined()) received << image.masks.sizes();
    else received << "none";
    fail(ErrorCode::kShapeMismatch, "invalid masks of image ", index, ": expected [", count, ", ", size.height, ", ",
         size.width, "], received ", received.str(), ". Pass a mask of the image's size for each box.");
  }
}

/// The boxes clipped to their image. Throws INVALID_ARGUMENT for the first that has no area in it: its deltas would be
/// infinite, and anchors that overlap nothing could be matched to it.
at::Tensor clipped_boxes(const at::Tensor& boxes, ImageSize image, size_t index) {
  const at::Tensor clipped =
      ops::clip_boxes(boxes, static_cast<double>(image.height), static_cast<double>(image.width));
  const at::Tensor has_area = (clipped.slice(1, 2) - clipped.slice(1, 0, 2)).gt(0).all(1);  // [K]
  const at::Tensor is_sound = has_area.logical_and(boxes.isfinite().all(1));
  if (is_sound.all().item<bool>()) return clipped;
  const auto object = is_sound.logical_not().to(at::kByte).argmax().item<int64_t>();
  const at::Tensor box = boxes[object].to(at::kCPU, at::kDouble);
  const double* corners = box.data_ptr<double>();
  fail(ErrorCode::kInvalidArgument, "invalid boxes of image ", index,
       ": expected x1 < x2 and y1 < y2 within the image of ", image.height, " × ", image.width,
       " (height × width), received ", corners[0], ", ", corners[1], ", ", corners[2], ", ", corners[3], " for object ",
       object, ". Correct the box or drop the object.");
}

/// Throws DTYPE_MISMATCH or INVALID_ARGUMENT unless masks are 0 and 1.
void check_masks(const at::Tensor& masks, size_t index) {
  if (masks.scalar_type() != at::kByte) {
    fail(ErrorCode::kDtypeMismatch, "invalid masks of image ", index, ": expected uint8, received ",
         type_name(masks.scalar_type()), ". Convert them to 0 and 1.");
  }
  if (masks.numel() == 0) return;
  const auto largest = masks.max().item<int64_t>();
  if (largest <= 1) return;
  fail(ErrorCode::kInvalidArgument, "invalid masks of image ", index, ": expected 0 and 1, received ", largest,
       ". Write 1 where the object is.");
}

/// The detector's label of each category of the set: one after the other, or, for a detector with as many classes as
/// the largest id has, the ids, as torchvision's files for COCO have them. Throws SHAPE_MISMATCH.
std::vector<int64_t> labels_of(const BackboneImpl& network, const ImageSet& set) {
  const int64_t first = detector_of(network).has_background_class() ? 1 : 0;
  const auto categories = static_cast<int64_t>(set.category_ids.size());
  if (network.num_classes() == categories + first) {
    std::vector<int64_t> labels(set.category_ids.size());
    std::iota(labels.begin(), labels.end(), first);
    return labels;
  }
  if (categories > 0 && set.category_ids.front() >= 0 && set.category_ids.back() < network.num_classes() &&
      network.num_classes() == set.category_ids.back() + 1) {
    return set.category_ids;
  }
  fail(ErrorCode::kShapeMismatch, "invalid detector for the data set ", set.kind, ": expected ", categories + first,
       " classes", first == 1 ? " (with the background)" : "", ", received ", network.num_classes(),
       ". Take the data that the detector was trained on, or create it with numClasses: ", categories + first, ".");
}

}  // namespace

std::string task_name(DetectorKind kind) {
  switch (kind) {
    case DetectorKind::kFasterRcnn: return "two-stage-detection";
    case DetectorKind::kRetinaNet: return "one-stage-detection";
    case DetectorKind::kMaskRcnn: return "instance-segmentation";
  }
  fail(ErrorCode::kInternal, "invalid kind of detector.");
}

std::vector<detection::ImageTargets> targets_by_image(const Targets& targets, const ImageBatch& images) {
  const Target& boxes = targets.target(detection_targets::kBoxes);
  const at::Tensor& labels = targets.values(detection_targets::kLabels);
  const bool has_masks = targets.has(detection_targets::kMasks);
  std::vector<ImageTargets> result;
  int64_t begin = 0;
  for (size_t i = 0; i < boxes.counts.size(); ++i) {
    const int64_t count = boxes.counts[i];
    ImageTargets& image = result.emplace_back();
    image.boxes = boxes.values.narrow(0, begin, count).to(images.pixels.scalar_type());
    image.labels = labels.narrow(0, begin, count);
    if (has_masks) {
      const ImageSize size = images.size(static_cast<int64_t>(i));
      image.masks = targets.values(detection_targets::kMasks)
                        .narrow(0, begin, count)
                        .narrow(1, 0, size.height)
                        .narrow(2, 0, size.width);
    }
    begin += count;
  }
  return result;
}

Detection::Detection(DetectorKind kind) : kind_(kind) {
  info_ = {
      .name = task_name(kind),
      .losses = losses_of(kind),
      .metrics = detection_metrics(kind == DetectorKind::kMaskRcnn),
      .primary_metric = kind == DetectorKind::kMaskRcnn ? "maskAp" : "ap",
      .training_metric = std::nullopt,
  };
}

void Detection::check_data(const BackboneImpl& network, const ImageSet& set) const {
  if (!set.truths) {
    fail(ErrorCode::kInvalidArgument, "invalid data set ", set.kind,
         " for a detector: expected boxes, received labels of whole images. Load one of the kind coco, voc, boxes or "
         "scenes.");
  }
  labels_of(network, set);
}

void Detection::check_targets(const BackboneImpl& network, const ImageBatch& images, const Targets& targets) const {
  const auto by_image = targets_by_image(targets, images);
  const int64_t lowest = detector_of(network).has_background_class() ? 1 : 0;
  if (static_cast<int64_t>(by_image.size()) != images.count()) {
    fail(ErrorCode::kShapeMismatch, "invalid targets: expected one entry for each of ", images.count(),
         " images, received ", by_image.size(), ".");
  }
  for (size_t i = 0; i < by_image.size(); ++i) {
    const ImageTargets& image = by_image[i];
    check_shapes(image, images.size(static_cast<int64_t>(i)), i, kind_ == DetectorKind::kMaskRcnn);
    if (image.labels.scalar_type() != at::kLong) {
      fail(ErrorCode::kDtypeMismatch, "invalid labels of image ", i, ": expected int64, received ",
           type_name(image.labels.scalar_type()), ". Convert them.");
    }
    if (image.labels.numel() == 0) continue;
    const auto low = image.labels.min().item<int64_t>(), high = image.labels.max().item<int64_t>();
    if (low < lowest || high >= network.num_classes()) {
      const at::Tensor is_wrong = image.labels.lt(lowest).logical_or_(image.labels.ge(network.num_classes()));
      const auto object = is_wrong.to(at::kByte).argmax().item<int64_t>();
      fail_label("labels of image " + std::to_string(i), "targets[" + std::to_string(i) + "].labels", object,
                 image.labels[object].item<int64_t>(), lowest, network.num_classes() - 1,
                 lowest == 1 ? "0 is the background: count classes from 1."
                             : "RetinaNet counts classes from 0: take batches with labels: \"from-0\".");
    }
    const at::Tensor sides = image.boxes.slice(1, 2) - image.boxes.slice(1, 0, 2);  // [K, 2]
    const at::Tensor is_box = sides.gt(0).all(1).logical_and_(image.boxes.isfinite().all(1));  // [K]
    if (!is_box.all().item<bool>()) {
      const auto object = is_box.logical_not().to(at::kByte).argmax().item<int64_t>();
      const at::Tensor box = image.boxes[object].to(at::kCPU, at::kDouble);
      const double* corners = box.data_ptr<double>();
      fail(ErrorCode::kInvalidArgument, "invalid boxes: targets[", i, "].boxes[", object, "] is ", corners[0], ", ",
           corners[1], ", ", corners[2], ", ", corners[3],
           ": expected finite x1 < x2 and y1 < y2, received a box without an area. Drop such boxes.");
    }
  }
}

TaskLosses Detection::losses(const TaskInput& input) const {
  DetectorLosses losses =
      detector_of(input.network)
          .losses(levels_of(input.output), input.images, targets_by_image(input.targets, input.images), input.seed);
  return {std::move(losses.values), {}, std::move(losses.regions)};
}

void Detection::complete(const BackboneImpl& network, const ImageSet& set, BatchPlan& plan) const {
  const auto& input = detector_of(network).input().options();
  plan.detection = {.min_size = input.min_size,
                    .max_size = input.max_size,
                    .resize = input.resize,
                    .masks = kind_ == DetectorKind::kMaskRcnn,
                    .label_of = labels_of(network, set)};
}

std::unique_ptr<MetricAccumulator> Detection::new_accumulator(const Network& network, const ImageSet& set, bool) const {
  const auto labels = labels_of(*network.module, set);
  std::vector<int64_t> category_of(static_cast<size_t>(network.module->num_classes()), -1);
  for (size_t category = 0; category < labels.size(); ++category)
    category_of[static_cast<size_t>(labels[category])] = static_cast<int64_t>(category);
  return std::make_unique<DetectionMetrics>(set.truths, std::move(category_of), static_cast<int64_t>(labels.size()),
                                            kind_ == DetectorKind::kMaskRcnn);
}

Batch detection_batch(const DetectorImpl& detector, const std::vector<at::Tensor>& images,
                      const std::vector<ImageTargets>& targets) {
  if (images.size() != targets.size() || images.empty()) {
    fail(ErrorCode::kShapeMismatch, "invalid batch: expected images and as many targets, received ", images.size(),
         " and ", targets.size(), ".");
  }
  for (const at::Tensor& image : images) {
    if (image.dim() != 3 || image.size(0) != 3 || image.numel() == 0 || !image.is_floating_point()) {
      fail(ErrorCode::kShapeMismatch, "invalid image: expected [3, H, W] with values from 0 to 1, received ",
           image.sizes(), " of ", type_name(image.scalar_type()), ".");
    }
  }
  const ImageBatch batch = detector.input().prepare(images);
  std::vector<ImageTargets> resized;
  std::vector<int64_t> counts;
  for (size_t i = 0; i < targets.size(); ++i) {
    const ImageSize original{images[i].size(1), images[i].size(2)};
    check_shapes(targets[i], original, i, detector.has_masks());
    ImageTargets within = targets[i];
    within.boxes = clipped_boxes(within.boxes, original, i);
    if (detector.has_masks()) {
      check_masks(within.masks, i);
    } else {
      within.masks.reset();
    }
    resized.push_back(detector.input().prepare(within, original, batch.size(static_cast<int64_t>(i))));
    counts.push_back(targets[i].boxes.size(0));
  }
  std::vector<at::Tensor> boxes, labels;
  for (const auto& image : resized) {
    boxes.push_back(image.boxes);
    labels.push_back(image.labels);
  }
  Batch result;
  result.images = batch.pixels;
  result.sizes = batch.sizes;
  result.targets.add_ragged(detection_targets::kBoxes, at::cat(boxes), counts)
      .add_ragged(detection_targets::kLabels, at::cat(labels), counts);
  if (!detector.has_masks()) return result;
  std::vector<at::Tensor> masks;
  masks.reserve(resized.size());
  for (const auto& image : resized) masks.push_back(image.masks);
  result.targets.add_ragged(detection_targets::kMasks, ops::pad_masks(masks, batch.padded_size()), counts);
  return result;
}

}  // namespace reviewkd
