#include "core/data/queues/image_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/base/numeric.h"

namespace reviewkd {

ImageQueueOptions ImageQueueOptions::from(const Options& options) {
  return {
      .height = options.integer("height"),
      .width = options.integer("width"),
      .num_classes = options.integer("numClasses"),
      .normalization = Normalization::from(options.options("normalization")),
      .layout = options.choice<PixelLayout>(
          "layout", {{"planes", PixelLayout::kPlanes}, {"interleaved", PixelLayout::kInterleaved}}),
      .ahead = static_cast<size_t>(options.integer("ahead")),
  };
}

ImageQueue::ImageQueue(const ImageQueueOptions& options)
    : BatchQueue(options.ahead), converter_(std::make_shared<const Converter>(options)) {}

void ImageQueue::check(const PixelBlock& block) const {
  if (filling_.count > 0 && filling_.pixels.scalar_type() != block.dtype) {
    reviewkd::fail(ErrorCode::kDtypeMismatch, "invalid images: expected ", type_name(filling_.pixels.scalar_type()),
                   ", as at the start of the batch, received ", type_name(block.dtype), ".");
  }
  const int64_t classes = converter_->options.num_classes;
  const auto* end = block.labels + block.count;
  const auto* bad = std::find_if(block.labels, end, [&](int64_t label) { return label < 0 || label >= classes; });
  if (bad != end)
    reviewkd::fail(ErrorCode::kLabelOutOfRange, "invalid label: expected 0 to ", classes - 1, ", received ", *bad, ".");
}

void ImageQueue::put(const PixelBlock& block) {
  const int64_t values = 3 * converter_->options.height * converter_->options.width;
  put_with([&] {
    check(block);
    for (int64_t done = 0; done < block.count;) {
      if (filling_.count == 0) {
        filling_.pixels = at::empty({own_length(), values}, block.dtype);
        filling_.labels = at::empty({own_length()}, at::kLong);
      }
      const int64_t count = std::min(block.count - done, own_length() - filling_.count);
      const size_t image_bytes = values * filling_.pixels.element_size();
      std::memcpy(static_cast<uint8_t*>(filling_.pixels.mutable_data_ptr()) + filling_.count * image_bytes,
                  static_cast<const uint8_t*>(block.values) + done * image_bytes, count * image_bytes);
      std::copy_n(block.labels + done, count, filling_.labels.data_ptr<int64_t>() + filling_.count);
      filling_.count += count;
      done += count;
      if (done == block.count) filling_.replaced += block.replaced;
      push_if_whole();
    }
  });
}

BatchQueue::Prepare ImageQueue::take_filled(const BatchPlan&) {
  return [converter = converter_, raw = std::exchange(filling_, {})] { return converter->normalized(raw); };
}

Batch ImageQueue::Converter::normalized(const Raw& raw) const {
  const int64_t plane = options.height * options.width;
  Batch result{at::empty({raw.count, 3, options.height, options.width},
                         at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast)),
               Targets::labels(raw.labels.narrow(0, 0, raw.count)), raw.replaced};
  const bool planes = options.layout == PixelLayout::kPlanes;
  // value(channel, i) reads the i-th value of all images.
  const auto write_with = [&](auto value) {
    float* out = result.images.data_ptr<float>();
    for (int64_t image = 0; image < raw.count; ++image) {
      const int64_t first = image * 3 * plane;
      for (int64_t pixel = 0; pixel < plane; ++pixel) {
        for (int64_t channel = 0; channel < 3; ++channel) {
          *out++ = value(channel, first + (planes ? channel * plane + pixel : 3 * pixel + channel));
        }
      }
    }
  };
  if (raw.pixels.scalar_type() == at::kByte) {
    const uint8_t* bytes = raw.pixels.const_data_ptr<uint8_t>();
    write_with([&](int64_t channel, int64_t i) { return lookup[channel][bytes[i]]; });
  } else {
    const float* floats = raw.pixels.const_data_ptr<float>();
    write_with([&](int64_t, int64_t i) { return floats[i]; });
  }
  return result;
}

}  // namespace reviewkd
