#pragma once
// The checked inputs of pasting, for each of its paths.

#include <ATen/core/Tensor.h>

#include "core/ops/paste_masks/paste_masks.h"

namespace reviewkd::ops {

/// Far outside of any image; corners beyond it are moved there, so that they fit in an int64.
constexpr double kFarPixel = 1e9;

struct PasteInputs {
  at::Tensor probabilities, boxes;  // of one type, float32 or float64, and contiguous
  int64_t height, width;
  MaskPaste rule;
};

/// Throws SHAPE_MISMATCH, DTYPE_MISMATCH, DEVICE_MISMATCH or INVALID_ARGUMENT.
PasteInputs paste_inputs(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                         MaskPaste rule);

}  // namespace reviewkd::ops
