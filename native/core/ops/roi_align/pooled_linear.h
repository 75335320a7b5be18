#pragma once
// A linear layer on pooled regions as one operation: the pooled values of a thousand regions are larger than the maps.

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::ops {

struct PooledLinear {
  at::Tensor result;  // [K, O]
  /// The maps for the next reader, to whose gradient that of the regions is added.
  std::vector<at::Tensor> maps;
};

/// linear(multiscale_roi_align(…).flatten(1), weight, bias), differentiable by maps, weight and bias.
/// weight: [O, C · height · width]; bias: [O].
///
/// On the CPU in float32 the pooled values are freed before the gradients of the maps take memory, and their own
/// gradient is computed for some regions at a time. That backward pass runs once.
PooledLinear pooled_linear(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                           const std::vector<double>& scales, RoiAlignOptions options, const at::Tensor& weight,
                           const at::Tensor& bias);

}  // namespace reviewkd::ops
