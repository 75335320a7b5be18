#pragma once
// Two maps merged by an attention that looks at both: the middle of attention based fusion.
// Chen, Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021), figure 3 (a).

#include <ATen/core/Tensor.h>

#include "core/ops/backend/recomputation.h"

namespace reviewkd::ops {

/// z = sigmoid(Conv1×1(concat(x, y))), x · z₀ + y · z₁, y being brought to x's size by nearest interpolation.
/// x: [N, C, H, W]; y: [N, C, any, any]; weight: [2, 2C, 1, 1]; bias: [2] -> [N, C, H, W].
at::Tensor attention_fusion_reference(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias);

/// The same. The fast path makes neither the concatenation nor the larger y; it takes float32 and bfloat16 maps of a multiple of
/// 16 channels where y's size divides x's. Everything else, float64 with it, takes the reference.
LazyTensor attention_fusion(const LazyTensor& x, const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace reviewkd::ops
