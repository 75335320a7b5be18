#pragma once
// Pixels to network input: normalization and, in training, pad-crop-flip, as the official CIFAR code does it.

#include <array>
#include <cstdint>
#include <vector>

#include "core/data/dataset.h"

namespace reviewkd {

/// Black pixels around an image from which a window of the original size is cut.
constexpr int64_t kPadding = 4;

/// Where the window lies, 0 … 2 · kPadding in both directions (kPadding: not moved), and whether it is mirrored.
struct Crop {
  int64_t top = kPadding;
  int64_t left = kPadding;
  bool flip = false;
};

/// The crop of one image: a pure function of the seed, the epoch and the image's index in its split.
Crop random_crop(uint64_t seed, int64_t epoch, int64_t index);

/// Normalized value of each byte, by channel.
using PixelLookup = std::array<std::array<float, 256>, 3>;

PixelLookup lookup_of(const Normalization& normalization);

/// Images of one size as a network takes them: [N, 3, H, W], normalized float32 in channels-last memory order. Each of
/// `images` is bytes [H, W, 3], or values from 0 to 1 of floating point, [3, H, W] or [K, 3, H, W]; with a mean of 0 and
/// a deviation of 1 these may be any values. Throws SHAPE_MISMATCH, DTYPE_MISMATCH or INVALID_ARGUMENT.
at::Tensor normalized_batch(const std::vector<at::Tensor>& images, const Normalization& normalization);

/// Turns images into normalized, cropped float32 in channels-last memory order.
class ImageWriter {
 public:
  ImageWriter(const Split& split, const Normalization& normalization);

  /// Writes image `index` of the split as [H, W, 3] to `out`. Bytes outside of the image count as black pixels;
  /// float images are used as they are, with zeros outside.
  void write(int64_t index, const Crop& crop, float* out) const;

 private:
  const Split& split_;
  const PixelLookup lookup_;
};

}  // namespace reviewkd
