#pragma once
// Hierarchical context loss: the distance between two feature maps, as a whole and through a pyramid of averages.
// Chen, Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021), section 3.3.

#include <torch/types.h>

namespace reviewkd {

/// Mean squared error of two maps [N, C, H, W] and of their averages over 4×4, 2×2 and 1×1 cells, weighted 1, ½, ¼, ⅛
/// and divided by the sum of the weights used. A pyramid level that is not smaller than the map (l ≥ H) is skipped
/// along with its weight. Returns a scalar. Throws SHAPE_MISMATCH unless both have the same nonempty four-dimensional
/// shape.
at::Tensor hierarchical_context_loss(const at::Tensor& student, const at::Tensor& teacher);

}  // namespace reviewkd
