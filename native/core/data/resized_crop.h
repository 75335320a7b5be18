#pragma once
// The window that training cuts out of a photograph before it is resized.
// Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015), section 6, as torchvision's RandomResizedCrop does it.

#include <cstdint>

namespace reviewkd {

/// Shares of the image's area, and ratios of width to height, that a window may have.
struct ResizedCropOptions {
  double smallest_area = 0.08;
  double largest_area = 1.0;
  double narrowest = 3.0 / 4.0;
  double widest = 4.0 / 3.0;
};

/// A window in pixels, and whether it is mirrored.
struct Window {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;
  bool flip = false;
};

/// Ten attempts at an area and a ratio (uniform in its logarithm); if none fits, the largest central window within the
/// ratios. A pure function of the seed, the epoch, the image's index in its split, and its size. Throws INVALID_ARGUMENT
/// unless height and width are positive.
Window random_resized_crop(uint64_t seed, int64_t epoch, int64_t index, int64_t height, int64_t width,
                           const ResizedCropOptions& options = {});

}  // namespace reviewkd
