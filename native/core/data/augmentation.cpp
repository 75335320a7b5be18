#include "core/data/augmentation.h"

#include <ATen/ATen.h>

#include <cmath>
#include <sstream>

#include "core/base/error.h"
#include "core/base/random.h"

namespace reviewkd {
namespace {

/// Bytes that were rounded or resized on the way may leave the range a little.
constexpr double kRangeTolerance = 0.05;

bool is_identity(const Normalization& normalization) {
  return normalization.mean == std::array<double, 3>{0, 0, 0} && normalization.std == std::array<double, 3>{1, 1, 1};
}

/// Bytes [H, W, 3] to [1, 3, H, W], by the same table as the images of a training.
at::Tensor normalized_bytes(const at::Tensor& image, const PixelLookup& lookup) {
  const at::Tensor pixels = image.contiguous();
  at::Tensor values = at::empty(pixels.sizes(), at::kFloat);  // [H, W, 3]
  const uint8_t* byte = pixels.const_data_ptr<uint8_t>();
  float* value = values.mutable_data_ptr<float>();
  for (int64_t i = 0; i < pixels.numel(); ++i) value[i] = lookup[i % 3][byte[i]];
  return values.permute({2, 0, 1}).unsqueeze(0);  // [1, 3, H, W]
}

/// Throws INVALID_ARGUMENT, naming the first of the values [K, 3, H, W] that is NaN or not from 0 to 1.
void check_range(const at::Tensor& values, bool is_batch, size_t index) {
  const auto [low, high] = at::aminmax(values);
  const double least = -kRangeTolerance, most = 1 + kRangeTolerance;
  if (low.item<double>() >= least && high.item<double>() <= most) return;
  const at::Tensor flat = values.reshape({-1}).to(at::kDouble);
  const at::Tensor bad = flat.ge(least).logical_and_(flat.le(most)).logical_not_().nonzero();  // [count, 1]
  const auto first = bad[0].item<int64_t>();
  const auto value = flat[first].item<double>();
  const int64_t image_values = values.numel() / values.size(0);
  std::ostringstream place;
  if (is_batch) place << "image " << first / image_values << ", ";
  place << "value " << first % image_values << " is ";
  if (std::isnan(value)) {
    place << "NaN";
  } else {
    place << value;
  }
  fail(ErrorCode::kInvalidArgument, "invalid images[", index, "]: ", place.str(),
       ": expected values from 0 to 1. Divide bytes by 255; values that are normalized already take `normalization: { "
       "mean: [0, 0, 0], std: [1, 1, 1] }`.");
}

/// Values [3, H, W] or [K, 3, H, W] to [K, 3, H, W].
at::Tensor normalized_values(const at::Tensor& image, const Normalization& normalization, size_t index) {
  const bool is_batch = image.dim() == 4;
  const at::Tensor values = is_batch ? image : image.unsqueeze(0);
  if (!is_identity(normalization) && values.numel() > 0) check_range(values, is_batch, index);
  const auto channels = [](const std::array<double, 3>& of) { return at::tensor(of, at::kDouble).view({3, 1, 1}); };
  return values.to(at::kDouble).sub(channels(normalization.mean)).div_(channels(normalization.std)).to(at::kFloat);
}

}  // namespace

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

at::Tensor normalized_batch(const std::vector<at::Tensor>& images, const Normalization& normalization) {
  const PixelLookup lookup = lookup_of(normalization);
  std::vector<at::Tensor> parts;
  for (size_t index = 0; index < images.size(); ++index) {
    const at::Tensor& image = images[index];
    const bool is_bytes = image.scalar_type() == at::kByte;
    if (!is_bytes && !image.is_floating_point()) {
      fail(ErrorCode::kDtypeMismatch, "invalid images[", index, "]: expected float32 or float64, received ",
           image.scalar_type(), ". Convert it.");
    }
    const bool has_shape = is_bytes ? image.dim() == 3 && image.size(2) == 3
                                    : (image.dim() == 3 || image.dim() == 4) && image.size(-3) == 3;
    if (!has_shape || image.numel() == 0) {
      fail(ErrorCode::kShapeMismatch, "invalid images[", index, "]: expected [3, height, width], received ",
           image.sizes(), ". Pass RGB images.");
    }
    parts.push_back(is_bytes ? normalized_bytes(image, lookup) : normalized_values(image, normalization, index));
    if (parts.back().sizes().slice(2) == parts.front().sizes().slice(2)) continue;
    fail(ErrorCode::kShapeMismatch, "invalid images[", index, "]: expected the size of the others in the batch, ",
         parts.front().size(2), "×", parts.front().size(3), ", received ", parts.back().size(2), "×",
         parts.back().size(3), ".");
  }
  if (parts.empty()) fail(ErrorCode::kInvalidArgument, "invalid images: expected at least one, received none.");
  return at::cat(parts).contiguous(at::MemoryFormat::ChannelsLast);  // [N, 3, H, W]
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
