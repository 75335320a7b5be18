// The reference of paste_masks.h: rows and columns of an image as weighted sums of those of a grid.

#include <ATen/ATen.h>

#include <cmath>

#include "core/ops/paste_masks/inputs.h"

namespace reviewkd::ops {
namespace {

/// Positions [N, pixels] of the pixels' centers on a grid, counted from its first point; infinity where the box does
/// not reach.
at::Tensor grid_positions(const at::Tensor& low, const at::Tensor& high, int64_t pixels, int64_t points,
                          MaskPaste rule) {
  const at::Tensor pixel = at::arange(pixels, low.options());
  const at::Tensor exists = at::isfinite(low).logical_and(at::isfinite(high));
  if (rule == MaskPaste::kDetectron2) {
    const at::Tensor position = (pixel + 0.5 - low) / (high - low) * points - 0.5;
    return position.masked_fill(exists.logical_and(high > low).logical_not(), INFINITY);
  }
  const double growth = static_cast<double>(points + 2) / static_cast<double>(points);
  const at::Tensor center = (high + low) * 0.5, half = (high - low) * 0.5 * growth;
  const auto cut = [](const at::Tensor& values) { return values.clamp(-kFarPixel, kFarPixel).trunc(); };
  const at::Tensor first = cut(center - half), last = cut(center + half);
  const at::Tensor reached = (pixel >= first).logical_and(pixel <= last).logical_and(exists).logical_and(high >= low);
  // One point less than on the grid with its border of zeros.
  return ((pixel - first + 0.5) * ((points + 2) / (last - first + 1)) - 1.5)
      .masked_fill(reached.logical_not(), INFINITY);
}

/// Weights [N, pixels, points] of linear interpolation.
at::Tensor weights_at(const at::Tensor& positions, int64_t points) {
  return (1 - (positions.unsqueeze(2) - at::arange(points, positions.options())).abs()).clamp_min(0);
}

}  // namespace

at::Tensor paste_masks_reference(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height,
                                 int64_t width, MaskPaste rule) {
  const PasteInputs inputs = paste_inputs(probabilities, boxes, height, width, rule);
  const int64_t points = inputs.probabilities.size(1);
  const auto along = [&](int64_t axis, int64_t pixels) {
    const at::Tensor low = inputs.boxes.slice(1, axis, axis + 1), high = inputs.boxes.slice(1, axis + 2, axis + 3);
    return weights_at(grid_positions(low, high, pixels, points, rule), points);
  };
  return at::bmm(at::bmm(along(1, height), inputs.probabilities),  // [N, height, S]
                 along(0, width).transpose(1, 2))                  // [N, height, width]
      .to(probabilities.scalar_type());
}

}  // namespace reviewkd::ops
