#pragma once
// Suppression on a device: kernels compare all pairs, and the host follows the scores.

#include <ATen/core/Tensor.h>

#include <optional>

namespace reviewkd::ops {

/// Whether each box remains, on the device. boxes: [N, 4] by falling score; classes: int64 [N]. Returns nullopt if
/// unsupported: no kernel backend for the boxes, float64, or more boxes than the memory for all pairs suits.
std::optional<at::Tensor> nms_on_device(const at::Tensor& boxes, const at::Tensor& classes, double iou_threshold);

}  // namespace reviewkd::ops
