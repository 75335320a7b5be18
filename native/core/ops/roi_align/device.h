#pragma once
// Pooling of regions on a device, from all maps in one kernel, and its gradient without atomic additions.

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::ops {

/// Arguments as of multiscale_roi_align. Returns nullopt if unsupported: no kernel backend for the maps, a type other
/// than float32 or bfloat16, a channel count that is not a multiple of 8, or too many maps or bins.
std::optional<at::Tensor> roi_align_on_device(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                              const at::Tensor& levels, const std::vector<double>& scales,
                                              const RoiAlignOptions& options);

}  // namespace reviewkd::ops
