#pragma once
// The window that training crops from a photograph before resizing it.
// Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015), section 6, as in torchvision's RandomResizedCrop.

#include <cstdint>

#include "core/base/options.h"

namespace reviewkd {

/// Allowed fractions of the image's area, and ratios of width to height, of a window.
struct ResizedCropOptions {
  double smallest_area = 0.08;
  double largest_area = 1.0;
  double narrowest = 3.0 / 4.0;
  double widest = 4.0 / 3.0;

  /// { scale, ratio }, two numbers each.
  static ResizedCropOptions from(const Options& options);
};

/// A window in pixels, and whether it is mirrored.
struct Window {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;
  bool flip = false;
};

/// Makes ten attempts at an area and a ratio (log-uniform); if none fits, uses the largest central window within the
/// ratios. A pure function of the seed, the epoch, the image's index in its split, and its size. Throws
/// INVALID_ARGUMENT unless height and width are positive.
Window random_resized_crop(uint64_t seed, int64_t epoch, int64_t index, int64_t height, int64_t width,
                           const ResizedCropOptions& options = {});

}  // namespace reviewkd
