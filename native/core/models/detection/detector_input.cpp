#include "core/models/detection/detector_input.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/ops/backend/graph/traced_operation.h"

namespace reviewkd::detection {
namespace {

/// The side of padded images is a multiple of the largest stride of a backbone.
constexpr int64_t kPaddingDivisor = 32;

std::array<double, 3> three_numbers(const Options& options, const std::string& field) {
  const auto numbers = options.numbers(field);
  if (numbers.size() != 3) {
    fail(ErrorCode::kInvalidArgument, "invalid ", options.path(field), ": expected three numbers, received ",
         numbers.size(), ".");
  }
  return {numbers[0], numbers[1], numbers[2]};
}

}  // namespace

InputOptions InputOptions::from(const Options& options) {
  return {
      .mean = three_numbers(options, "imageMean"),
      .std = three_numbers(options, "imageStd"),
      .reverse_stats = options.boolean("reverseImageStats"),
      .is_bgr = options.choice<bool>("channelOrder", {{"rgb", false}, {"bgr", true}}),
      .scale = options.number("pixelScale"),
      .min_size = options.has("minSize") ? options.number("minSize") : 0,
      .max_size = options.number("maxSize"),
      .resize = options.choice<ops::ResizeRule>(
          "resize", {{"torchvision", ops::ResizeRule::kTorchvision}, {"detectron2", ops::ResizeRule::kDetectron2}}),
  };
}

at::Tensor DetectorInput::normalized(const ImageBatch& batch) const {
  const InputOptions& input = options_;
  const at::Tensor pixels = input.is_bgr ? batch.pixels.flip({1}) : batch.pixels;
  const auto per_channel = [&](std::array<double, 3> values) {
    if (input.reverse_stats) std::reverse(values.begin(), values.end());
    return at::tensor({values[0], values[1], values[2]}, at::kDouble).to(pixels.options()).view({1, 3, 1, 1});
  };
  at::Tensor result =
      input.scale == 1 ? pixels - per_channel(input.mean) : pixels * input.scale - per_channel(input.mean);
  result.div_(per_channel(input.std));
  const auto [height, width] = batch.padded_size();
  for (int64_t i = 0; i < batch.count() && !batch.sizes.empty(); ++i) {
    const auto size = batch.size(i);
    result[i].narrow(1, size.height, height - size.height).zero_();
    result[i].narrow(2, size.width, width - size.width).zero_();
  }
  return result.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor DetectorInput::normalized_and_padded(const at::Tensor& images) const {
  const InputOptions& input = options_;
  std::array<double, 3> mean = input.mean, std = input.std;
  if (input.reverse_stats) {
    std::reverse(mean.begin(), mean.end());
    std::reverse(std.begin(), std.end());
  }
  const auto per_channel = [&](const auto& value) {
    const ops::ConstantScope constant;
    return at::tensor({value(0), value(1), value(2)}, at::kDouble).to(images.options()).view({1, 3, 1, 1});
  };
  const at::Tensor pixels = input.is_bgr ? images.flip({1}) : images;
  const at::Tensor normalized = pixels * per_channel([&](size_t i) { return input.scale / std[i]; }) +
                                per_channel([&](size_t i) { return -mean[i] / std[i]; });
  const auto missing = [](int64_t size) { return (kPaddingDivisor - size % kPaddingDivisor) % kPaddingDivisor; };
  const int64_t bottom = missing(images.size(2)), right = missing(images.size(3));
  return bottom + right == 0 ? normalized : at::constant_pad_nd(normalized, {0, right, 0, bottom});
}

ImageSize DetectorInput::resized_size(ImageSize image) const {
  const InputOptions& input = options_;
  return input.min_size > 0 ? ops::resized_size(image, input.min_size, input.max_size, input.resize) : image;
}

ImageBatch DetectorInput::prepare(const std::vector<at::Tensor>& images) const {
  std::vector<at::Tensor> resized;
  resized.reserve(images.size());
  for (const at::Tensor& image : images) {
    resized.push_back(ops::resize_image(image, resized_size({image.size(1), image.size(2)}), options_.resize));
  }
  return ops::pad_images(resized, kPaddingDivisor);
}

ImageBatch DetectorInput::padded(const at::Tensor& image) { return ops::pad_images({image}, kPaddingDivisor); }

ImageTargets DetectorInput::prepare(const ImageTargets& targets, ImageSize from, ImageSize to) {
  return {ops::resize_boxes(targets.boxes, from, to), targets.labels,
          targets.masks.defined() ? ops::resize_masks(targets.masks, to) : at::Tensor()};
}

}  // namespace reviewkd::detection
