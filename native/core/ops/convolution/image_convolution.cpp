#include "core/ops/convolution/image_convolution.h"

#include <algorithm>

#include "core/ops/convolution/convolution.h"
#include "core/ops/convolution/matrix_convolution.h"
#include "core/ops/convolution/winograd_convolution.h"

namespace reviewkd::ops {
namespace {

/// Whether matrix products are faster than both other ways, as measured.
bool suits_products(const ConvolutionShape& shape, at::ScalarType type, int64_t images) {
  if (type != at::kFloat) return false;
  if (shape.kernel == 1) return shape.in_channels * shape.out_channels >= 64 * 128;
  if (shape.kernel != 3 || std::min(shape.in_channels, shape.out_channels) < 128) return false;
  // Winograd's transformed filters are read for each few dozen tiles.
  constexpr int64_t kFewTiles = 48;
  const int64_t tiles = (shape.out_height + 3) / 4 * ((shape.out_width + 3) / 4);
  return shape.stride != 1 || shape.padding != 1 || images * tiles <= kFewTiles;
}

}  // namespace

std::shared_ptr<const ImageConvolution> ImageConvolution::create(const ConvolutionShape& shape, at::ScalarType type,
                                                                 int64_t images) {
  if (suits_products(shape, type, images)) return MatrixConvolution::create(shape, type);
  auto direct = DirectConvolution::create(shape, type);
  // With few channels, an instruction that adds two bfloat16 products at once saves as much as the transforms do.
  constexpr int64_t kFewChannels = 32;
  if (direct && type == at::kBFloat16 && std::max(shape.in_channels, shape.out_channels) < kFewChannels) return direct;
  if (auto winograd = WinogradConvolution::create(shape, type)) return winograd;
  return direct;
}

}  // namespace reviewkd::ops
