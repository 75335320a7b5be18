#pragma once
// What detectors are trained on, and what they find, image by image.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::detection {

/// The objects of one image.
struct ImageTargets {
  at::Tensor boxes;   // [K, 4], x1 y1 x2 y2, in the type of the images
  at::Tensor labels;  // [K], int64
  at::Tensor masks;   // [K, H, W], uint8, 0 or 1; undefined without masks
};

/// The regions of a training step that the second stage classifies, one image after the other.
struct RegionSample {
  std::vector<at::Tensor> boxes;  // of each image [K, 4], on the resized image; without gradient
  at::Tensor labels;              // int64 [ΣK], 0 for background
  at::Tensor logits;              // [ΣK, classes]
};

/// The objects found in one image, by falling score.
struct Detections {
  at::Tensor boxes;   // [N, 4]
  at::Tensor scores;  // [N]
  at::Tensor labels;  // [N], int64
  at::Tensor masks;   // [N, S, S] probabilities within the boxes, or pasted [N, H, W]; undefined without masks

  /// Those at `rows`.
  Detections at(const at::Tensor& rows) const;
};

/// Boxes of a batch by falling score.
struct ScoredBoxes {
  at::Tensor boxes;   // [N, K, 4]
  at::Tensor scores;  // [N, K]
};

/// The objects of a batch by falling score.
struct PaddedDetections {
  at::Tensor boxes;   // [N, D, 4]
  at::Tensor scores;  // [N, D]
  at::Tensor labels;  // [N, D], int64; -1 for rows that are no object
  at::Tensor masks;   // [N, D, S, S], probabilities within the boxes; undefined without masks
};

}  // namespace reviewkd::detection
