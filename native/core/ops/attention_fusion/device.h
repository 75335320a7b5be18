#pragma once
// attention_fusion.h's operation on a device.

#include <optional>

#include "core/ops/attention_fusion/attention_fusion.h"

namespace reviewkd::ops {

/// Nothing where this does not apply: no accelerator for x, other types than float32 and bfloat16, channels that are no multiple of 8, or a y
/// whose size does not divide x's.
std::optional<at::Tensor> attention_fusion_on_device(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace reviewkd::ops
