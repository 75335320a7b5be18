#pragma once
// Unions, intersections and overlaps of masks and boxes, on runs.

#include "formats/coco/run_length_mask.h"

namespace reviewkd {

enum class MaskMerge { kUnion, kIntersection };

/// All masks as one. At least one mask; throws SHAPE_MISMATCH unless all have one size.
RunLengthMask merge_masks(std::vector<RunLengthMask> masks, MaskMerge how);

/// Intersection over union, or over the area of `detection` if the truth is a crowd: a region with several objects.
double box_overlap(const XywhBox& detection, const XywhBox& truth, bool is_crowd);

/// A mask with its box, which is compared first.
struct MeasuredMask {
  explicit MeasuredMask(const RunLengthMask& mask) : mask(&mask), box(mask_box(mask)) {}

  const RunLengthMask* mask;
  XywhBox box;
};

/// The same for masks. Throws SHAPE_MISMATCH unless both have one size.
double mask_overlap(const MeasuredMask& detection, const MeasuredMask& truth, bool is_crowd);

}  // namespace reviewkd
