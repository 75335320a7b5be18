#pragma once
// Small operations on feature maps that methods share.

#include <ATen/ATen.h>

#include "core/models/backbone.h"

namespace reviewkd {

/// Height and width of a map [N, C, H, W].
inline ImageSize size_of(const at::Tensor& map) { return {map.size(2), map.size(3)}; }

/// [N, C, any, any] -> [N, C, H, W], each pixel from the one that its corner falls into.
inline at::Tensor resize_nearest(const at::Tensor& map, ImageSize size) {
  if (map.size(2) == size.height && map.size(3) == size.width) return map;
  return at::upsample_nearest2d(map, {size.height, size.width});
}

}  // namespace reviewkd
