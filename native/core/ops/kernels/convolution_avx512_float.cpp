// Direct convolutions on float32 images in channels-last order. A tile of pixels by 16 or 32 output channels stays in registers
// while taps and input channels are summed up; each input value is broadcast from memory and meets one vector of weights.

#define REVIEWKD_ISA avx512
#include "core/ops/kernels/float_tile.h"
#include "core/ops/kernels/float_weight_gradient.h"
#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/tiles.h"
#include "core/ops/kernels/vectors.h"

namespace reviewkd::ops::avx512 {
namespace {

int64_t weight_gradient_scratch(const WeightGradient&) { return 0; }

}  // namespace

const ConvolutionKernels kConvolutionsFloat = {&convolve<FloatTile>, &add_weight_gradient, &weight_gradient_scratch};

}  // namespace reviewkd::ops::avx512
