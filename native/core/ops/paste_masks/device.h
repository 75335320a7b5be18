#pragma once
// Pasting on a device by its kernels, a pixel a thread.

#include <optional>

#include "core/ops/paste_masks/inputs.h"

namespace reviewkd::ops {

/// Return nullopt if unsupported: no kernel backend for the masks, or float64.
std::optional<at::Tensor> paste_on_device(const PasteInputs& inputs);
std::optional<at::Tensor> paste_binary_on_device(const PasteInputs& inputs, double threshold);

}  // namespace reviewkd::ops
