#pragma once
// The check of regions by their values, where these are on the host.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// Throws INVALID_ARGUMENT unless each region [K, 5] lies on one of the images, and each level [K] is one of the maps.
void require_existing_rois(const at::Tensor& rois, const at::Tensor& levels, int64_t images, int64_t maps);

}  // namespace reviewkd::ops
