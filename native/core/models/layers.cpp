#include "core/models/layers.h"

#include "core/error.h"

namespace reviewkd {

torch::nn::Conv2d conv3x3(int64_t in_channels, int64_t out_channels, int64_t stride, int64_t groups) {
  using Options = torch::nn::Conv2dOptions;
  return torch::nn::Conv2d(Options(in_channels, out_channels, 3).stride(stride).padding(1).groups(groups).bias(false));
}

torch::nn::Conv2d conv1x1(int64_t in_channels, int64_t out_channels, int64_t stride, int64_t groups) {
  using Options = torch::nn::Conv2dOptions;
  return torch::nn::Conv2d(Options(in_channels, out_channels, 1).stride(stride).groups(groups).bias(false));
}

ImageSize halved(ImageSize size) { return {(size.height + 1) / 2, (size.width + 1) / 2}; }

void require_pixels(ImageSize image) {
  if (image.height < 1 || image.width < 1) {
    fail(ErrorCode::kShapeMismatch, "expected at least 1×1 pixels for images, got ", image.height, "×", image.width);
  }
}

}  // namespace reviewkd
