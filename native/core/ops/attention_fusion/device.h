#pragma once
// Device implementation of attention_fusion.h.

#include <optional>

#include "core/ops/attention_fusion/attention_fusion.h"

namespace reviewkd::ops {

/// Returns nullopt if unsupported: no kernel backend for x, a type other than float32 or bfloat16, a channel count
/// that is not a multiple of 8, or a y whose size does not divide x's.
std::optional<at::Tensor> attention_fusion_on_device(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                                                     const at::Tensor& bias);

}  // namespace reviewkd::ops
