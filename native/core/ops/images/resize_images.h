#pragma once
// Sizes of images for detectors, and resizing to them, by either of the two rules in use.
//
// torchvision (models/detection/transform.py) interpolates values bilinearly without anti-aliasing; detectron2
// (data/transforms, with Pillow) resizes bytes with a triangle filter that is as wide as the reduction.

#include "core/ops/images/image_batch.h"

namespace reviewkd::ops {

enum class ResizeRule { kTorchvision, kDetectron2 };

/// The size of an image whose short side becomes `shortest`, or whose long side becomes `longest` if it would exceed
/// it otherwise.
ImageSize resized_size(ImageSize image, double shortest, double longest, ResizeRule rule);

/// image: [3, H, W], values from 0 to 1 -> [3, height, width] in the same type. kDetectron2 rounds to bytes before
/// and after.
at::Tensor resize_image(const at::Tensor& image, ImageSize size, ResizeRule rule);

/// masks: [K, H, W], uint8 -> [K, height, width], each pixel that of the nearest one above and to the left.
at::Tensor resize_masks(const at::Tensor& masks, ImageSize size);

/// boxes: [K, 4], x1 y1 x2 y2 in an image of size `from` -> the same in one of size `to`.
at::Tensor resize_boxes(const at::Tensor& boxes, ImageSize from, ImageSize to);

/// masks: by image [K, h, w], uint8 -> [ΣK, height, width], padded with zeros.
at::Tensor pad_masks(const std::vector<at::Tensor>& masks, ImageSize size);

/// images: [3, H, W] each, of any sizes -> one batch, padded with zeros to a multiple of `divisor` in both directions.
ImageBatch pad_images(const std::vector<at::Tensor>& images, int64_t divisor);

}  // namespace reviewkd::ops
