#pragma once
// Assigns truths to boxes by their overlap, as torchvision's Matcher and detectron2's.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// Instead of a truth's index: the best overlap is below `low`, or between `low` and `high`.
constexpr int64_t kBelowLow = -1, kBetween = -2;

/// The truth of each box, int64 [B]: the one with the greatest IoU, the first of equal ones, if it is >= high. With
/// allow_low_quality, each truth also revives the boxes that overlap it most, all of equal overlap, whatever it is:
/// they keep their own best truth. NaN overlaps nothing. iou: [T, B]; without truths all boxes are kBelowLow.
at::Tensor match_boxes(const at::Tensor& iou, double high, double low, bool allow_low_quality);

/// The same by PyTorch's operations, on any device.
at::Tensor match_boxes_reference(const at::Tensor& iou, double high, double low, bool allow_low_quality);

/// match_boxes(box_iou(truths, anchors), …), bit for bit in float32 and float64, on the CPU without the memory for all
/// pairs. truths: [T, 4]; anchors: [B, 4].
at::Tensor match_anchors(const at::Tensor& truths, const at::Tensor& anchors, double high, double low,
                         bool allow_low_quality);

}  // namespace reviewkd::ops
