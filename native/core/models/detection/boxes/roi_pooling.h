#pragma once
// Features of regions from a pyramid: each region is pooled from the level that suits its size.
// Lin et al., "Feature Pyramid Networks" (CVPR 2017), equation 1; He et al., "Mask R-CNN" (ICCV 2017), RoIAlign.

#include <vector>

#include "core/base/options.h"
#include "core/ops/images/image_batch.h"
#include "core/ops/roi_align/pooled_linear.h"

namespace reviewkd::detection {

struct LevelOptions {
  double canonical_scale = 224;
  double canonical_level = 4;
  /// torchvision: ⌊level + log2(√area / scale) + 1e-6⌋; detectron2: ⌊level + log2(√area / scale + 1e-8)⌋.
  double epsilon = 1e-6;
  bool epsilon_in_logarithm = false;

  static LevelOptions from(const Options& options);
};

/// boxes: [N, 4] -> the level of each, int64, counted from `min_level`.
at::Tensor assign_levels(const at::Tensor& boxes, int64_t min_level, int64_t max_level, const LevelOptions& options);

struct RoiPoolingOptions {
  int64_t height, width;
  /// Samples per cell in each direction; 0: ⌈region / cells⌉.
  int64_t sampling_ratio = 2;
  bool aligned = false;
  LevelOptions levels;
};

/// Scale of each map, a power of two: the nearest to the map's height / the height of the largest image.
std::vector<double> map_scales(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& images);

/// Boxes [K, 4] of each image as regions [ΣK, 5], the image's number first.
at::Tensor regions_of(const std::vector<at::Tensor>& boxes);

/// The same of as many boxes for each image, [N, K, 4] -> [N · K, 5].
at::Tensor regions_of(const at::Tensor& boxes);

/// maps: by level [N, C, H, W]; rois: [K, 5], see `regions_of` -> [K, C, height, width].
at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const std::vector<double>& scales, const RoiPoolingOptions& options);

/// A linear layer on the flattened results, [K, O], and the maps for the next reader.
ops::PooledLinear pooled_linear(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const std::vector<double>& scales, const RoiPoolingOptions& options,
                                const at::Tensor& weight, const at::Tensor& bias);

}  // namespace reviewkd::detection
