#pragma once
// Areas, overlaps and codes of boxes, as in torchvision's ops/boxes.py and models/detection/_utils.py.
//
// Boxes are x1, y1, x2, y2 in pixels, a side is x2 - x1 without + 1. Everything is computed in the type of the boxes.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// boxes: [N, 4] -> [N]
at::Tensor box_area(const at::Tensor& boxes);

/// Intersection over union of each pair; NaN where both boxes have no area. a: [N, 4], b: [M, 4] -> [N, M]
at::Tensor box_iou(const at::Tensor& a, const at::Tensor& b);

/// The same minus the share of the smallest enclosing box that neither covers (Rezatofighi et al. 2019,
/// arXiv:1902.09630). a: [N, 4], b: [M, 4] -> [N, M]
at::Tensor generalized_box_iou(const at::Tensor& a, const at::Tensor& b);

/// Moves corners outside of an image to its border. boxes: [..., 4]
at::Tensor clip_boxes(const at::Tensor& boxes, double height, double width);

/// int64 indices, ascending, of the boxes [N, 4] both of whose sides are >= min_size.
at::Tensor large_boxes(const at::Tensor& boxes, double min_size);

/// Factors of the four numbers that a head predicts.
struct BoxWeights {
  double x = 1, y = 1, width = 1, height = 1;
};

/// The numbers that a head predicts for `proposals` [N, 4] whose truths are `reference` [N, 4]: shifts of the center
/// relative to the size of the proposal, and logarithms of the ratios of sizes. -> [N, 4]
at::Tensor encode_boxes(const at::Tensor& reference, const at::Tensor& proposals, const BoxWeights& weights);

/// The inverse: deltas [N, 4C] of `boxes` [N, 4] -> [N, 4C]. Sizes grow to 1000 / 16 times those of the boxes at most.
at::Tensor decode_boxes(const at::Tensor& deltas, const at::Tensor& boxes, const BoxWeights& weights);

}  // namespace reviewkd::ops
