#pragma once
// Non-maximum suppression: of boxes that overlap, the one with the highest score remains.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// int64 indices of the boxes that remain, by falling score, equal scores in the order of the input; NaN is the highest
/// score, as PyTorch sorts it. A box is suppressed if its IoU with a remaining box of higher score is above the
/// threshold; boxes without area, and those with NaN, suppress nothing. boxes: [N, 4]; scores: [N].
at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);
at::Tensor nms_reference(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

/// The same where only boxes of one class suppress each other; classes: int64 [N], any numbers.
///
/// Differs from torchvision, which for few boxes moves the classes apart by adding to the coordinates, because that
/// costs digits and requires coordinates >= 0.
at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                       double iou_threshold);
at::Tensor batched_nms_reference(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                                 double iou_threshold);

}  // namespace reviewkd::ops
