#include "core/models/detection/boxes/box_weights.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace reviewkd::detection {

ops::BoxWeights box_weights_from(const Options& options, const std::string& field) {
  const auto weights = options.numbers(field);
  if (weights.size() != 4) {
    fail(ErrorCode::kInvalidArgument, "invalid ", options.path(field), ": expected four numbers, received ",
         weights.size(), ".");
  }
  return {weights[0], weights[1], weights[2], weights[3]};
}

at::Tensor sizable_boxes(const at::Tensor& boxes, double min_size) {
  if (min_size > 0) return ops::large_boxes(boxes, min_size);
  const at::Tensor sides = boxes.slice(1, 2) - boxes.slice(1, 0, 2);  // [N, 2]
  return at::nonzero(sides.gt(0).all(1)).squeeze(1);
}

}  // namespace reviewkd::detection
