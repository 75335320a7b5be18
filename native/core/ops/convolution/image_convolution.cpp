#include "core/ops/convolution/image_convolution.h"

#include <algorithm>

#include "core/ops/convolution/convolution.h"
#include "core/ops/convolution/winograd_convolution.h"

namespace reviewkd::ops {

std::shared_ptr<const ImageConvolution> ImageConvolution::create(const ConvolutionShape& shape, at::ScalarType type) {
  auto direct = DirectConvolution::create(shape, type);
  // With few channels, an instruction that adds two bfloat16 products at once saves as much as the transforms do.
  constexpr int64_t kFewChannels = 32;
  if (direct && type == at::kBFloat16 && std::max(shape.in_channels, shape.out_channels) < kFewChannels) return direct;
  if (auto winograd = WinogradConvolution::create(shape, type)) return winograd;
  return direct;
}

}  // namespace reviewkd::ops
