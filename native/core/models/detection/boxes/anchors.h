#pragma once
// Anchors: boxes of fixed sizes and shapes around each position of each pyramid level.
// Ren et al., "Faster R-CNN" (NeurIPS 2015), section 3.1.1; Lin et al., "Feature Pyramid Networks" (CVPR 2017), 4.1.

#include <vector>

#include "core/base/options.h"
#include "core/ops/images/image_batch.h"

namespace reviewkd::detection {

struct AnchorOptions {
  /// Side lengths of square anchors by level, in pixels of the padded image.
  std::vector<std::vector<double>> sizes;
  /// Height / width.
  std::vector<double> ratios;
  /// Whether corners are rounded to whole numbers (half to even), as torchvision does.
  bool rounded = true;
  /// Whether the sizes of one ratio follow each other, as in torchvision, or the ratios of one size, as in detectron2.
  bool ratio_major = true;
  /// Whether strides are the padded image's size // the map's size, as in torchvision, or double from level to level.
  bool strides_from_maps = true;

  static AnchorOptions from(const Options& options);

  /// Anchors of each position.
  int64_t per_position() const { return static_cast<int64_t>(sizes.front().size() * ratios.size()); }
};

struct AnchorGrid {
  /// By level, [H · W · A, 4], x1 y1 x2 y2: the anchors of a position one after the other, positions row by row.
  std::vector<at::Tensor> levels;
  std::vector<ImageSize> strides;
};

/// Anchors around the origin by level, [A, 4].
std::vector<at::Tensor> cell_anchors(const AnchorOptions& anchors, const at::TensorOptions& type);

/// maps: sizes of the levels' maps. Throws SHAPE_MISMATCH unless there are as many as levels.
AnchorGrid anchor_grid(const AnchorOptions& anchors, ImageSize padded_image, const std::vector<ImageSize>& maps,
                       const at::TensorOptions& type);

}  // namespace reviewkd::detection
