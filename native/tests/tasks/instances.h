#pragma once
// Short ways to write truths and detections.

#include "core/data/detection/instances.h"

namespace reviewkd::tests {

inline TruthInstance truth_at(const XywhBox& box, int64_t category = 0) {
  TruthInstance truth;
  truth.category = category;
  truth.box = box;
  truth.area = box.width * box.height;
  return truth;
}

inline TruthInstance crowd_at(const XywhBox& box) {
  TruthInstance truth = truth_at(box);
  truth.is_crowd = true;
  return truth;
}

inline DetectedInstance detected_at(const XywhBox& box, double score, int64_t category = 0) {
  return {category, box, {}, box.width * box.height, score};
}

}  // namespace reviewkd::tests
