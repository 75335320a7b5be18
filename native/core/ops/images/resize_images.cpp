#include "core/ops/images/resize_images.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace reviewkd::ops {
namespace {

ImageSize floored(double height, double width) {
  return {std::max<int64_t>(1, static_cast<int64_t>(std::floor(height))),
          std::max<int64_t>(1, static_cast<int64_t>(std::floor(width)))};
}

int64_t rounded_up(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor * divisor; }

}  // namespace

ImageSize resized_size(ImageSize image, double shortest, double longest, ResizeRule rule) {
  const auto height = static_cast<double>(image.height), width = static_cast<double>(image.width);
  const double low = std::min(height, width), high = std::max(height, width);
  if (rule == ResizeRule::kTorchvision) {
    const double scale = std::min(shortest / low, longest / high);
    return floored(height * scale, width * scale);
  }
  // The two factors one after the other, as in detectron2, whose product may round to another pixel.
  const double scale = shortest / low;
  double new_height = height < width ? shortest : height * scale;
  double new_width = height < width ? width * scale : shortest;
  const double most = std::max(new_height, new_width);
  if (most > longest) {
    new_height *= longest / most;
    new_width *= longest / most;
  }
  return floored(new_height + 0.5, new_width + 0.5);
}

at::Tensor resize_image(const at::Tensor& image, ImageSize size, ResizeRule rule) {
  if (image.size(1) == size.height && image.size(2) == size.width) return image;
  const at::Tensor batch = image.unsqueeze(0);  // [1, 3, H, W]
  if (rule == ResizeRule::kTorchvision) {
    return at::upsample_bilinear2d(batch, {size.height, size.width}, /*align_corners=*/false).squeeze(0);
  }
  constexpr double kLargestByte = 255.0;
  const at::Tensor bytes =
      batch.mul(kLargestByte).round().clamp(0, kLargestByte).to(at::kByte).contiguous(at::MemoryFormat::ChannelsLast);
  return at::_upsample_bilinear2d_aa(bytes, {size.height, size.width}, /*align_corners=*/false)
      .to(image.scalar_type())
      .div(kLargestByte)
      .squeeze(0);
}

at::Tensor resize_masks(const at::Tensor& masks, ImageSize size) {
  if (masks.size(1) == size.height && masks.size(2) == size.width) return masks;
  if (masks.size(0) == 0) return masks.new_empty({0, size.height, size.width});
  return at::upsample_nearest2d(masks.unsqueeze(1), {size.height, size.width}).squeeze(1);
}

at::Tensor resize_boxes(const at::Tensor& boxes, ImageSize from, ImageSize to) {
  const double x = static_cast<double>(to.width) / static_cast<double>(from.width);
  const double y = static_cast<double>(to.height) / static_cast<double>(from.height);
  return boxes * at::tensor({x, y, x, y}, at::kDouble).to(boxes.options());
}

at::Tensor pad_masks(const std::vector<at::Tensor>& masks, ImageSize size) {
  int64_t count = 0;
  for (const auto& image : masks) count += image.size(0);
  at::Tensor all = at::zeros({count, size.height, size.width}, at::kByte);
  int64_t begin = 0;
  for (const auto& image : masks) {
    all.narrow(0, begin, image.size(0)).narrow(1, 0, image.size(1)).narrow(2, 0, image.size(2)).copy_(image);
    begin += image.size(0);
  }
  return all;
}

ImageBatch pad_images(const std::vector<at::Tensor>& images, int64_t divisor) {
  std::vector<ImageSize> sizes;
  ImageSize largest{0, 0};
  for (const auto& image : images) {
    sizes.push_back({image.size(1), image.size(2)});
    largest.height = std::max(largest.height, image.size(1));
    largest.width = std::max(largest.width, image.size(2));
  }
  const auto count = static_cast<int64_t>(images.size());
  const at::Tensor pixels =
      at::zeros({count, 3, rounded_up(largest.height, divisor), rounded_up(largest.width, divisor)},
                images.front().options().memory_format(at::MemoryFormat::ChannelsLast));
  for (int64_t i = 0; i < count; ++i) {
    const auto& [height, width] = sizes[static_cast<size_t>(i)];
    pixels[i].narrow(1, 0, height).narrow(2, 0, width).copy_(images[static_cast<size_t>(i)]);
  }
  return {pixels, std::move(sizes)};
}

}  // namespace reviewkd::ops
