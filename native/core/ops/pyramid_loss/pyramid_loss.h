#pragma once
// Mean squared errors of two maps and of their averages over a pyramid of grids: what the hierarchical context loss is made of.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

/// A grid of cells × cells averages with its share of the loss.
struct PyramidLevel {
  int64_t cells;
  double weight;
};

/// weight · MSE(student, teacher) + Σ_l weight_l · MSE(averages of both over the grid l). student, teacher: [N, C, H, W] of one
/// shape; a scalar in float32 or better.
at::Tensor pyramid_loss_reference(const at::Tensor& student, const at::Tensor& teacher, double weight, const std::vector<PyramidLevel>& levels);

/// The same. The fast path goes once over both maps forward and once backward; it takes float32 and bfloat16 maps of a multiple
/// of 16 channels in sizes that the grids divide, under a teacher without gradient. Everything else, float64 with it, takes the reference.
at::Tensor pyramid_loss(const at::Tensor& student, const at::Tensor& teacher, double weight, const std::vector<PyramidLevel>& levels);

}  // namespace reviewkd::ops
