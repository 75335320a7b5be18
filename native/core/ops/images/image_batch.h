#pragma once
// Images of a batch: of one size, or of different sizes with padding on the right and at the bottom.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace reviewkd {

/// Height and width in pixels.
struct ImageSize {
  int64_t height;
  int64_t width;

  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

struct ImageBatch {
  // Implicit: most batches are tensors of images of one size.
  ImageBatch(at::Tensor images, std::vector<ImageSize> image_sizes = {})
      : pixels(std::move(images)), sizes(std::move(image_sizes)) {}

  at::Tensor pixels;  // [N, 3, H, W]
  /// Of each image without its padding; empty if no image has any.
  std::vector<ImageSize> sizes;

  int64_t count() const { return pixels.size(0); }
  /// Height and width of `pixels`.
  ImageSize padded_size() const { return {pixels.size(2), pixels.size(3)}; }
  ImageSize size(int64_t image) const { return sizes.empty() ? padded_size() : sizes.at(static_cast<size_t>(image)); }

  /// The images `begin` … `begin + length`.
  ImageBatch narrow(int64_t begin, int64_t length) const {
    std::vector<ImageSize> part;
    if (!sizes.empty()) part.assign(sizes.begin() + begin, sizes.begin() + begin + length);
    return {pixels.narrow(0, begin, length), std::move(part)};
  }
};

}  // namespace reviewkd
