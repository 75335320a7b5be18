#pragma once
// Attention that merges two maps with weights computed from both: the core of attention based fusion.
// Chen, Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021), figure 3 (a).

#include <ATen/core/Tensor.h>

#include "core/ops/backend/graph/recomputation.h"

namespace reviewkd::ops {

/// z = sigmoid(Conv1×1(concat(x, y))), x · z₀ + y · z₁, with y resized to x's size by nearest interpolation.
/// x: [N, C, H, W]; y: [N, C, any, any]; weight: [2, 2C, 1, 1]; bias: [2] -> [N, C, H, W].
at::Tensor attention_fusion_reference(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                                      const at::Tensor& bias);

/// Computes the same function. The fast path materializes neither the concatenation nor the resized y; it requires
/// float32 or bfloat16 maps with a multiple of 16 channels, and y's size must divide x's. All other inputs, float64
/// included, take the reference path.
LazyTensor attention_fusion(const LazyTensor& x, const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace reviewkd::ops
