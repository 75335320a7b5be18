#include "core/data/augmentation.h"

#include "core/base/random.h"

namespace reviewkd {

Crop random_crop(uint64_t seed, int64_t epoch, int64_t index) {
  // The tag keeps these draws apart from those of the data order.
  constexpr uint64_t kTag = 0x63726f70;  // "crop"
  RandomStream random(key_of({kTag, seed, static_cast<uint64_t>(epoch), static_cast<uint64_t>(index)}));
  Crop crop;
  crop.top = static_cast<int64_t>(random.below(2 * kPadding + 1));
  crop.left = static_cast<int64_t>(random.below(2 * kPadding + 1));
  crop.flip = random.below(2) == 1;
  return crop;
}

PixelLookup lookup_of(const Normalization& normalization) {
  PixelLookup lookup;
  for (size_t channel = 0; channel < 3; ++channel) {
    for (int value = 0; value < 256; ++value) {
      lookup[channel][value] =
          static_cast<float>((value / 255.0 - normalization.mean[channel]) / normalization.std[channel]);
    }
  }
  return lookup;
}

ImageWriter::ImageWriter(const Split& split, const Normalization& normalization)
    : split_(split), lookup_(lookup_of(normalization)) {}

void ImageWriter::write(int64_t index, const Crop& crop, float* out) const {
  const int64_t height = split_.height();
  const int64_t width = split_.width();
  const int64_t plane = height * width;

  // value(channel, offset) reads the source, outside(channel) stands for everything around it.
  const auto write_with = [&](auto value, auto outside) {
    for (int64_t y = 0; y < height; ++y) {
      const int64_t source_y = y + crop.top - kPadding;
      const bool row_inside = source_y >= 0 && source_y < height;
      for (int64_t x = 0; x < width; ++x) {
        const int64_t source_x = (crop.flip ? width - 1 - x : x) + crop.left - kPadding;
        const bool inside = row_inside && source_x >= 0 && source_x < width;
        for (int64_t channel = 0; channel < 3; ++channel) {
          *out++ = inside ? value(channel, source_y * width + source_x) : outside(channel);
        }
      }
    }
  };

  if (split_.images.scalar_type() == at::kByte) {
    const uint8_t* source = split_.images.const_data_ptr<uint8_t>() + index * 3 * plane;
    write_with([&](int64_t channel, int64_t offset) { return lookup_[channel][source[channel * plane + offset]]; },
               [&](int64_t channel) { return lookup_[channel][0]; });
  } else {
    const float* source = split_.images.const_data_ptr<float>() + index * 3 * plane;
    write_with([&](int64_t channel, int64_t offset) { return source[channel * plane + offset]; },
               [](int64_t) { return 0.0f; });
  }
}

}  // namespace reviewkd
