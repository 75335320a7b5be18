#pragma once
// Pastes the masks of instances, predicted on a small grid in their box, into the image.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// Where the grid's points lie in the image.
enum class MaskPaste {
  /// The grid gets a border of zeros and the box grows with it; its corners are cut to integers, and the grid is
  /// resized, bilinear, to the pixels of the box (models/detection/roi_heads.py). Binary: > threshold.
  kTorchvision,
  /// The grid is sampled, bilinear, at the centers of pixels in the exact box (layers/mask_ops.py). Binary: >=
  /// threshold.
  kDetectron2,
};

/// probabilities: [N, S, S]; boxes: [N, 4] in pixels of the image -> [N, height, width], 0 outside the boxes. A box
/// with a coordinate that is not finite, or with swapped corners, has no pixels.
at::Tensor paste_masks(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                       MaskPaste rule);

/// The same compared with a threshold, as uint8 0 or 1, without the memory for the probabilities.
at::Tensor paste_masks_binary(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                              MaskPaste rule, double threshold);

/// paste_masks by PyTorch's operations, a product of matrices for each mask.
at::Tensor paste_masks_reference(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height,
                                 int64_t width, MaskPaste rule);

}  // namespace reviewkd::ops
