#pragma once
// pyramid_loss.h's operation on a device: once over both maps forward, once backward, and nothing is read back.

#include <optional>

#include "core/ops/pyramid_loss/pyramid_loss.h"

namespace reviewkd::ops {

/// Nothing where this does not apply: no accelerator for the maps, other types than float32 and bfloat16, channels that are no multiple of 8,
/// grids finer than 4 × 4 or that do not divide the map or one another, or a teacher with gradient.
std::optional<at::Tensor> pyramid_loss_on_device(const at::Tensor& student, const at::Tensor& teacher, double weight,
                                                 const std::vector<PyramidLevel>& levels);

}  // namespace reviewkd::ops
