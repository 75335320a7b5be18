#pragma once
// Pooling of regions on the CPU: regions in parallel forward, channels in parallel backward.

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::ops {

/// Arguments as of multiscale_roi_align, checked and on the CPU.
at::Tensor roi_align_on_processor(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                                  const std::vector<double>& scales, const RoiAlignOptions& options);

}  // namespace reviewkd::ops
