#pragma once
// COCO's evaluation of boxes and masks: twelve numbers, and precision and recall over overlaps, categories, sizes and
// numbers of detections. https://cocodataset.org/#detection-eval; pycocotools' cocoeval.py.

#include "core/tasks/detection/matched_images.h"

namespace reviewkd {

/// Recalls 0, 0.01, …, 1 at which precision is read.
constexpr size_t kRecalls = 101;
/// Numbers of detections per image and category.
constexpr std::array<uint32_t, 3> kDetectionLimits{1, 10, 100};
constexpr size_t kLimits = kDetectionLimits.size();

/// From 0 to 1; -1 where no truth counts.
struct CocoStats {
  double ap = -1, ap50 = -1, ap75 = -1, ap_small = -1, ap_medium = -1, ap_large = -1;
  double ar1 = -1, ar10 = -1, ar100 = -1, ar_small = -1, ar_medium = -1, ar_large = -1;
};

/// All sizes, 100 detections.
struct CocoCategory {
  double ap = -1, ap50 = -1;
  std::array<double, kThresholds> recall;
};

struct CocoSummary {
  CocoStats stats;
  std::vector<CocoCategory> per_category;
  /// [thresholds, recalls, categories, areas, limits] and [thresholds, categories, areas, limits], row-major.
  std::vector<double> precision, recall, scores;
};

class CocoEvaluator {
 public:
  /// Categories are numbered 0 … categories - 1. Throws as MatchedImages does.
  CocoEvaluator(int64_t categories, OverlapKind kind) : images_(categories, kind, MatchRule::kCoco) {}

  /// Adds all truths and detections of images, in any order. Throws as MatchedImages::add does.
  void add(std::span<const ImageInstances> images) { images_.add(images); }

  CocoSummary summarize() const;

  /// The images that were added, to be exchanged with other processes.
  MatchedImages& images() { return images_; }
  const MatchedImages& images() const { return images_; }

 private:
  MatchedImages images_;
};

}  // namespace reviewkd
