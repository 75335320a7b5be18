#pragma once
// Small operations on feature maps shared by methods.

#include <ATen/ATen.h>

#include "core/models/backbone.h"
#include "core/ops/backend/graph/recomputation.h"

namespace reviewkd {

/// Height and width of a map [N, C, H, W].
inline ImageSize size_of(const at::Tensor& map) { return {map.size(2), map.size(3)}; }

/// [N, C, any, any] -> [N, C, H, W], each pixel copied from the one that contains its corner.
inline ops::LazyTensor resize_nearest(const ops::LazyTensor& map, ImageSize size) {
  const ImageSize own = size_of(map.variable());
  if (own.height == size.height && own.width == size.width) return map;
  return at::upsample_nearest2d(map, {size.height, size.width});
}

}  // namespace reviewkd
