#pragma once
// Pascal VOC's average precision of boxes, and of masks by the same rules.
// Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge" (IJCV 2010), section 4.2.

#include "core/tasks/detection/matched_images.h"

namespace reviewkd {

enum class VocRule {
  /// The mean of the highest precisions at recalls 0, 0.1, …, 1.
  k2007,
  /// The area below the monotone curve of precision over recall.
  k2010,
};

/// From 0 to 1; -1 where no truth counts.
struct VocPrecision {
  double ap = -1, ap50 = -1, ap75 = -1;
};

struct VocSummary {
  /// The means over categories with truths.
  VocPrecision stats;
  std::vector<VocPrecision> per_category;
};

class VocEvaluator {
 public:
  /// Categories are numbered 0 … categories - 1. Throws as MatchedImages does.
  VocEvaluator(int64_t categories, OverlapKind kind, VocRule rule)
      : images_(categories, kind, MatchRule::kVoc), rule_(rule) {}

  /// Adds all truths and detections of images, in any order. Throws as MatchedImages::add does.
  void add(std::span<const ImageInstances> images) { images_.add(images); }

  VocSummary summarize() const;

 private:
  MatchedImages images_;
  VocRule rule_;
};

}  // namespace reviewkd
