#pragma once
// The sum of focal losses on a device: one pass over the logits forward, one backward.

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/ops/backend/kernels.h"

namespace reviewkd::ops {

/// logits: [A, C]; classes: int64 [A], see sigmoid_focal_loss_sum. Returns nullopt for an unsupported device or type.
std::optional<at::Tensor> focal_loss_sum_on_device(const at::Tensor& logits, const at::Tensor& classes,
                                                   const FocalLoss& loss);

}  // namespace reviewkd::ops
