#pragma once
// Mean squared errors of two maps and of their averages over a pyramid of grids: the building block of the
// hierarchical context loss.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

/// A grid of cells × cells averages with its weight in the loss.
struct PyramidLevel {
  int64_t cells;
  double weight;
};

/// weight · MSE(student, teacher) + Σ_l weight_l · MSE(averages of both over the grid l). student, teacher: [N, C, H,
/// W] of equal shape; returns a scalar in float32 or better.
at::Tensor pyramid_loss_reference(const at::Tensor& student, const at::Tensor& teacher, double weight,
                                  const std::vector<PyramidLevel>& levels);

/// Computes the same function. The fast path makes one pass over both maps forward and one backward; it requires
/// float32 or bfloat16 maps with a multiple of 16 channels, sizes that the grids divide, and a teacher without
/// gradient. All other inputs, float64 included, take the reference path.
at::Tensor pyramid_loss(const at::Tensor& student, const at::Tensor& teacher, double weight,
                        const std::vector<PyramidLevel>& levels);

}  // namespace reviewkd::ops
