#pragma once
// The objects of an image as an evaluation compares them: annotated ones (truths) and detected ones.

#include <cstdint>
#include <vector>

#include "formats/coco/run_length_mask.h"

namespace reviewkd {

/// Whether boxes or masks are compared. Only those are read.
enum class OverlapKind { kBoxes, kMasks };

struct TruthInstance {
  /// From 0.
  int64_t category = 0;
  XywhBox box;
  RunLengthMask mask;
  /// In pixels, as annotated: selects the range of sizes, also for boxes.
  double area = 0;
  /// A region with several objects: neither counts nor punishes.
  bool is_crowd = false;
  /// Pascal VOC: neither counts nor punishes.
  bool is_difficult = false;
  /// Its detections count as unmatched, as pycocotools does for the annotation id 0.
  bool is_lost = false;
};

struct DetectedInstance {
  int64_t category = 0;
  XywhBox box;
  RunLengthMask mask;
  double area = 0;
  /// Finite.
  double score = 0;
};

struct ImageInstances {
  /// Evaluations rank equal scores by it, so that they do not depend on the order of the images.
  int64_t image = 0;
  std::vector<TruthInstance> truths;
  std::vector<DetectedInstance> detections;
};

}  // namespace reviewkd
