#pragma once
// Non-maximum suppression with a result of fixed shape, for graphs whose sizes must not depend on values.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// The scores of boxes that non-maximum suppression keeps, and 0 for all others. Boxes with a score of 0 take no part.
/// boxes: [G, B, 4], of G groups; scores: [G, C, B], of C classes that are suppressed each by itself -> [G, C, B],
/// float32 or better. A trace records it as one node, reviewkd::suppressed_scores.
at::Tensor suppressed_scores(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

}  // namespace reviewkd::ops
