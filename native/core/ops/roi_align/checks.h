#pragma once
// Checks of a pooling's arguments.

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::ops {

/// Of those of multiscale_roi_align. Throws SHAPE_MISMATCH, INVALID_ARGUMENT and others.
void require_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                       const std::vector<double>& scales, const RoiAlignOptions& options);

/// Where their values are on the host. Throws INVALID_ARGUMENT unless each region [K, 5] lies on one of the images, and
/// each level [K] is one of the maps.
void require_existing_rois(const at::Tensor& rois, const at::Tensor& levels, int64_t images, int64_t maps);

}  // namespace reviewkd::ops
