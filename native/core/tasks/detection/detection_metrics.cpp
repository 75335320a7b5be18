#include "core/tasks/detection/detection_metrics.h"

#include <ATen/ATen.h>

#include <array>

#include "core/base/error.h"
#include "core/data/detection/detection_queue.h"
#include "core/models/detection/detector.h"

namespace reviewkd {
namespace {

using detection::Detections;

struct StatRow {
  const char *name, *label, *title;
  double CocoStats::* value;
};

constexpr std::array<StatRow, 12> kStats = {{
    {"ap", "AP", "average precision", &CocoStats::ap},
    {"ap50", "AP50", "average precision at IoU 0.5", &CocoStats::ap50},
    {"ap75", "AP75", "average precision at IoU 0.75", &CocoStats::ap75},
    {"apSmall", "APs", "average precision of small objects", &CocoStats::ap_small},
    {"apMedium", "APm", "average precision of medium objects", &CocoStats::ap_medium},
    {"apLarge", "APl", "average precision of large objects", &CocoStats::ap_large},
    {"ar1", "AR1", "average recall of 1 detection", &CocoStats::ar1},
    {"ar10", "AR10", "average recall of 10 detections", &CocoStats::ar10},
    {"ar100", "AR100", "average recall of 100 detections", &CocoStats::ar100},
    {"arSmall", "ARs", "average recall of small objects", &CocoStats::ar_small},
    {"arMedium", "ARm", "average recall of medium objects", &CocoStats::ar_medium},
    {"arLarge", "ARl", "average recall of large objects", &CocoStats::ar_large},
}};

/// "maskAp" for "ap".
std::string mask_name(std::string name) {
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return "mask" + name;
}

/// The detections of an image in its original pixels, with masks if there are any.
std::vector<DetectedInstance> instances_of(const Detections& found, const std::vector<int64_t>& category_of) {
  std::vector<DetectedInstance> instances;
  const at::Tensor boxes = found.boxes.to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor scores = found.scores.to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor labels = found.labels.cpu().contiguous();
  const at::Tensor masks = found.masks.defined() ? found.masks.cpu().contiguous() : found.masks;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    const int64_t category = category_of.at(static_cast<size_t>(labels.const_data_ptr<int64_t>()[i]));
    if (category < 0) continue;
    const double* box = boxes.const_data_ptr<double>() + 4 * i;
    DetectedInstance& instance = instances.emplace_back();
    instance.category = category;
    instance.box = {box[0], box[1], box[2] - box[0], box[3] - box[1]};
    instance.area = instance.box.width * instance.box.height;
    instance.score = scores.const_data_ptr<double>()[i];
    if (!masks.defined()) continue;
    const int64_t pixels = masks.size(1) * masks.size(2);
    instance.mask = encode_mask(masks.const_data_ptr<uint8_t>() + i * pixels, masks.size(1), masks.size(2));
  }
  return instances;
}

/// As an evaluation of masks compares them: sizes are those of masks.
ImageInstances with_mask_areas(ImageInstances image) {
  for (DetectedInstance& found : image.detections) found.area = static_cast<double>(mask_area(found.mask));
  return image;
}

void add_stats(Evaluation& evaluation, const CocoStats& stats, bool of_masks) {
  for (const StatRow& row : kStats)
    evaluation.metrics.emplace_back(of_masks ? mask_name(row.name) : row.name, stats.*row.value);
}

void add_columns(Evaluation& evaluation, const CocoSummary& summary, bool of_masks) {
  ClassColumn ap{of_masks ? "maskAp" : "ap", {}}, ap50{of_masks ? "maskAp50" : "ap50", {}};
  for (const CocoCategory& category : summary.per_category) {
    ap.values.push_back(category.ap);
    ap50.values.push_back(category.ap50);
  }
  evaluation.per_class.push_back(std::move(ap));
  evaluation.per_class.push_back(std::move(ap50));
}

}  // namespace

std::vector<MetricInfo> detection_metrics(bool has_masks) {
  std::vector<MetricInfo> metrics;
  metrics.reserve(2 * kStats.size());
  for (const StatRow& row : kStats)
    metrics.push_back({row.name, std::string("box ") + row.label, std::string(row.title) + " of boxes", "", true});
  if (!has_masks) return metrics;
  for (const StatRow& row : kStats)
    metrics.push_back(
        {mask_name(row.name), std::string("mask ") + row.label, std::string(row.title) + " of masks", "", true});
  return metrics;
}

DetectionMetrics::DetectionMetrics(std::shared_ptr<const InstanceTable> truths, std::vector<int64_t> category_of,
                                   int64_t categories, bool has_masks)
    : truths_(std::move(truths)), category_of_(std::move(category_of)), boxes_(categories, OverlapKind::kBoxes) {
  if (has_masks) masks_.emplace(categories, OverlapKind::kMasks);
}

void DetectionMetrics::add(const TaskInput& input) {
  constexpr double kMaskThreshold = 0.5;
  auto& detector = detector_of(input.network);
  auto found = detector.detect(levels_of(input.output), input.images);
  const at::Tensor positions = input.targets.values(detection_targets::kPositions).cpu();
  for (size_t i = 0; i < found.size(); ++i) {
    const auto position = static_cast<size_t>(positions.const_data_ptr<int64_t>()[i]);
    const EvaluatedImage& described = truths_->described(position);
    ImageInstances image = truths_->image(position, masks_ ? OverlapKind::kMasks : OverlapKind::kBoxes);
    image.detections =
        instances_of(detector.in_original_image(std::move(found[i]), input.images.size(static_cast<int64_t>(i)),
                                                {described.height, described.width}, kMaskThreshold),
                     category_of_);
    boxes_.add({&image, 1});
    if (!masks_) continue;
    image = with_mask_areas(std::move(image));
    masks_->add({&image, 1});
  }
  images_ += input.images.count();
}

std::string DetectionMetrics::pack() const {
  ByteWriter bytes;
  bytes.put(images_);
  boxes_.images().pack(bytes);
  if (masks_) masks_->images().pack(bytes);
  return bytes.take();
}

void DetectionMetrics::merge(const std::vector<std::string>& packed) {
  images_ = 0;
  boxes_.images().clear();
  if (masks_) masks_->images().clear();
  for (const std::string& text : packed) {
    ByteReader bytes(text);
    images_ += bytes.get<int64_t>();
    boxes_.images().unpack(bytes);
    if (masks_) masks_->images().unpack(bytes);
  }
}

Evaluation DetectionMetrics::compute() const {
  Evaluation evaluation;
  evaluation.samples = images_;
  const CocoSummary boxes = boxes_.summarize();
  add_stats(evaluation, boxes.stats, /*of_masks=*/false);
  add_columns(evaluation, boxes, /*of_masks=*/false);
  if (!masks_) return evaluation;
  const CocoSummary masks = masks_->summarize();
  add_stats(evaluation, masks.stats, /*of_masks=*/true);
  add_columns(evaluation, masks, /*of_masks=*/true);
  return evaluation;
}

}  // namespace reviewkd
