#pragma once
// Averages of a map over the bins of regions, by bilinear interpolation (He et al. 2017, arXiv:1703.06870), as
// torchvision's roi_align.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

struct RoiAlignOptions {
  /// Bins of a region.
  int64_t height, width;
  /// Pixels of the map per pixel of the image.
  double spatial_scale;
  /// Samples of a bin along each axis; 0: as many as pixels of the map, rounded up.
  int64_t sampling_ratio;
  /// Whether pixel centers lie at 0.5. Otherwise they lie at 0, and a region has sides of at least a pixel.
  bool aligned;
  /// Of the result's memory: channels-last for convolutions, contiguous for layers that flatten it.
  at::MemoryFormat order = at::MemoryFormat::ChannelsLast;
};

/// input: [N, C, H, W]; rois: [K, 5] of image, x1, y1, x2, y2 -> [K, C, height, width], differentiable by the input. A
/// sample is 0 more than a pixel outside of the map, else the nearest value there. A region with a coordinate
/// that is not finite, or more than 2^30 pixels away, is 0.
///
/// On the CPU float32 and bfloat16 maps with a multiple of 16 channels take the vectors of this machine. Results and
/// gradients do not depend on the number of threads.
at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, const RoiAlignOptions& options);

/// The same from the map that levels [K] (int64, 0 … maps - 1) names for each region, in one pass. maps: [N, C, h, w]
/// of equal N and C; scales: of each, which replace options.spatial_scale.
at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                                const std::vector<double>& scales, const RoiAlignOptions& options);

/// The same by PyTorch's operations, on any device, differentiated by PyTorch.
at::Tensor multiscale_roi_align_reference(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                          const at::Tensor& levels, const std::vector<double>& scales,
                                          const RoiAlignOptions& options);

}  // namespace reviewkd::ops
