#pragma once
// Binary masks as COCO stores them: lengths of runs, column by column, zeros first; in files often as a compressed
// string. The rules are those of pycocotools' maskApi.c (https://github.com/cocodataset/cocoapi).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reviewkd {

/// The most pixels of a mask: runs are 32-bit numbers.
constexpr int64_t kMostMaskPixels = (int64_t{1} << 31) - 1;

/// The most pixels that are decoded: a string of 20 characters would otherwise allocate gigabytes.
constexpr int64_t kMostDecodedPixels = int64_t{1} << 28;

/// A box as COCO writes it: the left upper corner and the size, in pixels from 0.
struct XywhBox {
  double x = 0, y = 0, width = 0, height = 0;
};

/// The runs add up to height · width. A run may be empty, as the first one of a mask that begins with a one is.
struct RunLengthMask {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint32_t> counts;

  int64_t pixels() const { return height * width; }
};

/// Builds the shortest list of runs from pieces of any length.
class RunBuilder {
 public:
  void add(bool value, uint32_t length) {
    if (length == 0) return;
    if (value != value_) {
      counts_.push_back(current_);
      current_ = 0;
      value_ = value;
    }
    current_ += length;
  }

  std::vector<uint32_t> finish() {
    counts_.push_back(current_);
    return std::move(counts_);
  }

 private:
  std::vector<uint32_t> counts_;
  uint32_t current_ = 0;
  bool value_ = false;
};

/// Throws INVALID_ARGUMENT unless both sides are ≥ 0 and their product is at most kMostMaskPixels. Here and below,
/// `what` names the mask in messages: "mask", "annotations[3].segmentation".
void check_mask_size(int64_t height, int64_t width, const std::string& what);

/// The mask of a list of runs, which must be whole numbers whose sum is height · width. Throws INVALID_ARGUMENT.
RunLengthMask mask_of_counts(std::span<const double> counts, int64_t height, int64_t width, const std::string& what);

/// The mask of COCO's compressed string. Throws INVALID_ARGUMENT, as mask_of_counts does, and for other characters.
RunLengthMask mask_of_string(std::string_view text, int64_t height, int64_t width, const std::string& what);

/// COCO's compressed string of a mask.
std::string string_of_mask(const RunLengthMask& mask);

/// The mask of pixels in row-major order; each that is not 0 belongs to it.
RunLengthMask encode_mask(const uint8_t* pixels, int64_t height, int64_t width);

/// Writes 0 or 1 for each of height · width pixels in row-major order.
void decode_mask(const RunLengthMask& mask, uint8_t* pixels);

/// The number of ones.
int64_t mask_area(const RunLengthMask& mask);

/// The smallest box around the ones; all zeros for an empty mask.
XywhBox mask_box(const RunLengthMask& mask);

}  // namespace reviewkd
