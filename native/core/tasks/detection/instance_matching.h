#pragma once
// Matches the detections of an image with its truths, category by category.
// COCO: pycocotools' cocoeval.py; Pascal VOC: the development kit's VOCevaldet.m.

#include <array>
#include <cstdint>
#include <vector>

#include "core/data/detection/instances.h"

namespace reviewkd {

/// Overlaps from which a detection matches: 0.5, 0.55, …, 0.95 as numpy.linspace computes them, 0.9 one bit lower.
constexpr std::array<double, 10> kOverlapThresholds{0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999,
                                                    0.95};
constexpr size_t kThresholds = kOverlapThresholds.size();
/// The position of 0.75.
constexpr size_t kThreshold75 = 5;

/// A range of areas in pixels; both ends belong to it.
struct AreaRange {
  double least, most;

  bool contains(double area) const { return area >= least && area <= most; }
};
/// All, small, medium and large.
constexpr std::array<AreaRange, 4> kAreaRanges{{{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}}};
constexpr size_t kAreas = kAreaRanges.size();

/// Detections of an image and category beyond this rank are dropped by COCO's rules.
constexpr size_t kMostDetections = 100;

/// A bit for each threshold.
struct MatchOutcome {
  /// Matched with a truth.
  uint16_t matched = 0;
  /// Neither right nor wrong.
  uint16_t ignored = 0;
};

struct MatchedDetection {
  double score = 0;
  /// Among those of its image and category, by falling score, from 0.
  uint32_t rank = 0;
  /// For each range of areas; Pascal VOC's rules use the first alone.
  std::array<MatchOutcome, kAreas> by_area;
};

struct CategoryMatches {
  int64_t category = 0;
  /// By falling score; equal ones in the order of the image's list.
  std::vector<MatchedDetection> detections;
  /// Truths that count, for each range of areas.
  std::array<int64_t, kAreas> positives{};
};

enum class MatchRule {
  /// Overlap ≥ threshold; the best truth that is still free, the later one of equals.
  kCoco,
  /// Overlap > threshold with the best truth, the earlier one of equals; if that is taken, the detection is wrong.
  kVoc,
};

/// The matches of each category that occurs in the image, by rising category.
std::vector<CategoryMatches> match_instances(const ImageInstances& image, OverlapKind kind, MatchRule rule);

}  // namespace reviewkd
