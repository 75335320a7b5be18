#pragma once
// Device implementation of pyramid_loss.h: one pass over both maps forward, one backward, without reading anything
// back.

#include <optional>

#include "core/ops/pyramid_loss/pyramid_loss.h"

namespace reviewkd::ops {

/// Returns nullopt if unsupported: no kernel backend for the maps, a type other than float32 or bfloat16, a channel
/// count that is not a multiple of 8, grids finer than 4 × 4 or that do not divide the map or one another, or a
/// teacher with gradient.
std::optional<at::Tensor> pyramid_loss_on_device(const at::Tensor& student, const at::Tensor& teacher, double weight,
                                                 const std::vector<PyramidLevel>& levels);

}  // namespace reviewkd::ops
