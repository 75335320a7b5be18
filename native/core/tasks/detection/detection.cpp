#include "core/tasks/detection/detection.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace reviewkd {
namespace {

using detection::DetectorImpl;
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

std::vector<ImageTargets> targets_by_image(const Targets& targets, const ImageBatch& images) {
  const Target& boxes = targets.target(Detection::kBoxes);
  const at::Tensor& labels = targets.values(Detection::kLabels);
  const bool has_masks = targets.has(Detection::kMasks);
  std::vector<ImageTargets> result;
  int64_t begin = 0;
  for (size_t i = 0; i < boxes.counts.size(); ++i) {
    const int64_t count = boxes.counts[i];
    ImageTargets& image = result.emplace_back();
    image.boxes = boxes.values.narrow(0, begin, count);
    image.labels = labels.narrow(0, begin, count);
    if (has_masks) {
      const ImageSize size = images.size(static_cast<int64_t>(i));
      image.masks =
          targets.values(Detection::kMasks).narrow(0, begin, count).narrow(1, 0, size.height).narrow(2, 0, size.width);
    }
    begin += count;
  }
  return result;
}

std::vector<at::Tensor> levels_of(const BackboneOutput& output) {
  std::vector<at::Tensor> levels;
  for (const StageFeature& level : output.features) levels.push_back(level.after);
  return levels;
}

/// [ΣK, H, W] of masks that are padded to the size of the batch.
at::Tensor padded_masks(const std::vector<ImageTargets>& targets, ImageSize size) {
  int64_t count = 0;
  for (const auto& image : targets) count += image.boxes.size(0);
  at::Tensor all = at::zeros({count, size.height, size.width}, at::kByte);
  int64_t begin = 0;
  for (const auto& image : targets) {
    const int64_t masks = image.masks.size(0);
    all.narrow(0, begin, masks).narrow(1, 0, image.masks.size(1)).narrow(2, 0, image.masks.size(2)).copy_(image.masks);
    begin += masks;
  }
  return all;
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

}  // namespace

std::string task_name(DetectorKind kind) {
  switch (kind) {
    case DetectorKind::kFasterRcnn: return "two-stage-detection";
    case DetectorKind::kRetinaNet: return "one-stage-detection";
    case DetectorKind::kMaskRcnn: return "instance-segmentation";
  }
  fail(ErrorCode::kInternal, "invalid kind of detector.");
}

DetectorImpl& detector_of(const BackboneImpl& network) {
  auto* detector = dynamic_cast<DetectorImpl*>(const_cast<BackboneImpl*>(&network));
  if (detector == nullptr)
    fail(ErrorCode::kInvalidArgument,
         "invalid network: expected a detector, received a classifier. Create it with createDetector.");
  return *detector;
}

Detection::Detection(DetectorKind kind) : kind_(kind) {
  info_ = {
      .name = task_name(kind),
      .losses = losses_of(kind),
      .metrics = {{.name = "ap", .label = "AP", .title = "average precision of boxes", .unit = "%"},
                  {.name = "ap50", .label = "AP50", .title = "average precision of boxes at IoU 0.5", .unit = "%"},
                  {.name = "ap75", .label = "AP75", .title = "average precision of boxes at IoU 0.75", .unit = "%"}},
      .primary_metric = "ap",
      .training_metric = std::nullopt,
  };
}

void Detection::check_data(const BackboneImpl& network, const ImageSet& set) const {
  const int64_t classes = network.num_classes() - (detector_of(network).has_background_class() ? 1 : 0);
  if (set.num_classes <= classes) return;
  fail(ErrorCode::kShapeMismatch, "invalid detector for the data set ", set.kind, ": expected ", set.num_classes,
       " classes or more, received ", classes, ". Create the detector with numClasses of the data set.");
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
           image.labels.scalar_type(), ". Convert them.");
    }
    if (image.labels.numel() == 0) continue;
    const auto low = image.labels.min().item<int64_t>(), high = image.labels.max().item<int64_t>();
    if (low < lowest || high >= network.num_classes()) {
      fail(ErrorCode::kLabelOutOfRange, "invalid labels of image ", i, ": expected ", lowest, " to ",
           network.num_classes() - 1, ", received ", low < lowest ? low : high,
           lowest == 1 ? ". 0 is the background: count classes from 1." : ". Check numClasses of the detector.");
    }
    const at::Tensor sides = image.boxes.slice(1, 2) - image.boxes.slice(1, 0, 2);  // [K, 2]
    if (!sides.gt(0).all().item<bool>() || !image.boxes.isfinite().all().item<bool>()) {
      fail(ErrorCode::kInvalidArgument, "invalid boxes of image ", i,
           ": expected x1 < x2 and y1 < y2, received a box without an area. Drop such boxes.");
    }
  }
}

TaskLosses Detection::losses(const TaskInput& input) const {
  return {detector_of(input.network)
              .losses(levels_of(input.output), input.images, targets_by_image(input.targets, input.images), input.seed),
          {}};
}

std::unique_ptr<MetricAccumulator> Detection::new_accumulator(const Network&, bool) const {
  fail(ErrorCode::kInternal, "the evaluation of detectors is not here yet.");
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
           image.sizes(), " of ", image.scalar_type(), ".");
    }
  }
  const ImageBatch batch = detector.input().prepare(images);
  std::vector<ImageTargets> resized;
  std::vector<int64_t> counts;
  for (size_t i = 0; i < targets.size(); ++i) {
    const ImageSize original{images[i].size(1), images[i].size(2)};
    check_shapes(targets[i], original, i, detector.has_masks());
    resized.push_back(detector.input().prepare(targets[i], original, batch.size(static_cast<int64_t>(i))));
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
  result.targets.add_ragged(Detection::kBoxes, at::cat(boxes), counts)
      .add_ragged(Detection::kLabels, at::cat(labels), counts);
  if (detector.has_masks())
    result.targets.add_ragged(Detection::kMasks, padded_masks(resized, batch.padded_size()), counts);
  return result;
}

}  // namespace reviewkd
