#pragma once
// Boxes for tests of detection operations.

#include <ATen/ATen.h>

#include <vector>

#include "tests/support/tensors.h"

namespace reviewkd::tests {

inline at::Tensor boxes_of(const std::vector<double>& values, at::ScalarType type = at::kDouble, int64_t columns = 4) {
  return at::tensor(values, at::kDouble).reshape({-1, columns}).to(type);
}

/// `count` boxes with sides of 1 to `side` in an image of size × size, some of which reach beyond it. Whole numbers, so
/// that overlaps and corners are equal often.
inline at::Tensor noise_boxes(int64_t count, int64_t seed, at::ScalarType type = at::kFloat, double size = 100,
                              double side = 40) {
  const at::Tensor first = noise_tensor({count, 2}, seed, at::kDouble, size / 4) + size / 2;
  const at::Tensor sides = noise_tensor({count, 2}, seed + 1, at::kDouble).abs() / 2 * (side - 1) + 1;
  return at::cat({first, first + sides}, 1).round().to(type);
}

/// The same with an image of `images` in front, [count, 5].
inline at::Tensor noise_rois(int64_t count, int64_t images, int64_t seed, at::ScalarType type = at::kFloat,
                             double size = 100, double side = 40) {
  const at::Tensor image = at::arange(count, at::kDouble).remainder(images).unsqueeze(1).to(type);
  return at::cat({image, noise_boxes(count, seed, type, size, side) + 0.25}, 1);
}

}  // namespace reviewkd::tests
