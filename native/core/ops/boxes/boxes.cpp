#include "core/ops/boxes/boxes.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"
#include "core/ops/boxes/checks.h"

namespace reviewkd::ops {
namespace {

/// Logarithm of the greatest ratio of sizes that is decoded, so that exp never overflows; detectron2 and torchvision
/// take the size of a large image over that of a small anchor.
const double kMostGrowth = std::log(1000.0 / 16.0);

at::Tensor box_areas(const at::Tensor& boxes) {
  return (boxes.select(1, 2) - boxes.select(1, 0)) * (boxes.select(1, 3) - boxes.select(1, 1));
}

at::Tensor box_corner(const at::Tensor& boxes, int64_t first) { return boxes.slice(-1, first, first + 2); }

struct Overlap {
  at::Tensor intersection, both;  // [N, M]
};

Overlap overlap_of(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.unsqueeze(1);  // [N, 1, 4]
  const at::Tensor sides =
      (at::minimum(box_corner(left, 2), box_corner(b, 2)) - at::maximum(box_corner(left, 0), box_corner(b, 0)))
          .clamp_min(0);
  const at::Tensor intersection = sides.select(2, 0) * sides.select(2, 1);  // [N, M]
  return {intersection, box_areas(a).unsqueeze(1) + box_areas(b) - intersection};
}

void require_pair(const at::Tensor& a, const at::Tensor& b) {
  require_boxes(a, "a");
  require_boxes(b, "b");
  require_alike(a, b, "a", "b");
}

void require_weights(const BoxWeights& weights) {
  for (const double weight : {weights.x, weights.y, weights.width, weights.height}) require_positive(weight, "weights");
}

}  // namespace

at::Tensor box_area(const at::Tensor& boxes) {
  require_boxes(boxes, "boxes");
  return box_areas(boxes);
}

at::Tensor box_iou(const at::Tensor& a, const at::Tensor& b) {
  require_pair(a, b);
  const Overlap overlap = overlap_of(a, b);
  return overlap.intersection / overlap.both;
}

at::Tensor generalized_box_iou(const at::Tensor& a, const at::Tensor& b) {
  require_pair(a, b);
  const Overlap overlap = overlap_of(a, b);
  const at::Tensor left = a.unsqueeze(1);
  const at::Tensor sides =
      (at::maximum(box_corner(left, 2), box_corner(b, 2)) - at::minimum(box_corner(left, 0), box_corner(b, 0)))
          .clamp_min(0);
  const at::Tensor hull = sides.select(2, 0) * sides.select(2, 1);  // [N, M]
  return overlap.intersection / overlap.both - (hull - overlap.both) / hull;
}

at::Tensor clip_boxes(const at::Tensor& boxes, double height, double width) {
  if (boxes.dim() == 0 || boxes.size(-1) != 4) {
    fail(ErrorCode::kShapeMismatch, "invalid boxes: expected shape [..., 4], received ", boxes.sizes(),
         ". Pass x1, y1, x2, y2 of each box in the last dimension.");
  }
  require_floating(boxes, "boxes");
  const at::Tensor x = boxes.slice(-1, 0, 4, 2).clamp(0, width), y = boxes.slice(-1, 1, 4, 2).clamp(0, height);
  return at::stack({x, y}, -1).flatten(-2);  // [..., 2, 2] -> [..., 4]
}

at::Tensor large_boxes(const at::Tensor& boxes, double min_size) {
  require_boxes(boxes, "boxes");
  const at::Tensor sides = box_corner(boxes, 2) - box_corner(boxes, 0);  // [N, 2]
  return (sides >= min_size).all(1).nonzero().squeeze(1);
}

at::Tensor encode_boxes(const at::Tensor& reference, const at::Tensor& proposals, const BoxWeights& weights) {
  require_boxes(reference, "reference");
  require_boxes(proposals, "proposals");
  require_alike(proposals, reference, "proposals", "reference");
  require_sizes(reference, proposals.sizes(), "reference", "Pass one truth for each proposal.");
  require_weights(weights);
  const at::Tensor sizes = box_corner(proposals, 2) - box_corner(proposals, 0);          // [N, 2]
  const at::Tensor wanted_sizes = box_corner(reference, 2) - box_corner(reference, 0);   // [N, 2]
  const at::Tensor centers = box_corner(proposals, 0) + 0.5 * sizes;
  const at::Tensor wanted_centers = box_corner(reference, 0) + 0.5 * wanted_sizes;
  const at::Tensor shifts = (wanted_centers - centers) / sizes, growth = at::log(wanted_sizes / sizes);
  return at::stack({weights.x * shifts.select(1, 0), weights.y * shifts.select(1, 1),
                    weights.width * growth.select(1, 0), weights.height * growth.select(1, 1)},
                   1);  // [N, 4]
}

at::Tensor decode_boxes(const at::Tensor& deltas, const at::Tensor& boxes, const BoxWeights& weights) {
  require_boxes(boxes, "boxes");
  if (deltas.dim() != 2 || deltas.size(0) != boxes.size(0) || deltas.size(1) % 4 != 0) {
    fail(ErrorCode::kShapeMismatch, "invalid deltas: expected shape [", boxes.size(0), ", 4 · classes], received ",
         deltas.sizes(), ". Pass one row for each box.");
  }
  require_alike(boxes, deltas, "boxes", "deltas");
  require_weights(weights);
  const at::Tensor sizes = (box_corner(boxes, 2) - box_corner(boxes, 0)).unsqueeze(1);  // [N, 1, 2]
  const at::Tensor centers = box_corner(boxes, 0).unsqueeze(1) + 0.5 * sizes;
  const at::Tensor numbers = deltas.reshape({deltas.size(0), deltas.size(1) / 4, 4});  // [N, C, 4]
  const auto part = [&](int64_t i, double weight, int64_t axis) {
    return (numbers.select(2, i) / weight) * sizes.select(2, axis) + centers.select(2, axis);
  };
  const auto half = [&](int64_t i, double weight, int64_t axis) {
    return 0.5 * (at::exp((numbers.select(2, i) / weight).clamp_max(kMostGrowth)) * sizes.select(2, axis));
  };
  const at::Tensor x = part(0, weights.x, 0), y = part(1, weights.y, 1);  // [N, C]
  const at::Tensor width = half(2, weights.width, 0), height = half(3, weights.height, 1);
  return at::stack({x - width, y - height, x + width, y + height}, 2).reshape(deltas.sizes());  // [N, 4C]
}

}  // namespace reviewkd::ops
