// Direct convolutions on float32 images in channels-last order. A tile of pixels by 16 or 32 output channels stays in
// registers while taps and input channels are accumulated; each input value is broadcast from memory and multiplied
// by one vector of weights.

#define REVIEWKD_ISA avx512
#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"
#include "core/ops/convolution/kernels/tiles.inl"
#include "core/ops/convolution/kernels/weight_gradient.inl"

namespace reviewkd::ops::avx512 {
namespace {

struct FloatProducts {
  using Value = float;
  using Factor = Floats;
  static constexpr int kStep = 1;

  static Floats factor(const float* weights) { return load(weights); }
  static Floats input(const float* value) { return splat(*value); }
  static void add(Floats& sums, Floats input, Floats factor) { sums += input * factor; }
};

void add_weight_gradient(const WeightGradient& task) {
  const auto* in = static_cast<const float*>(task.in);
  Pixels<FloatProducts> pixels{
      .x = in,
      .gradient = static_cast<const float*>(task.gradient),
      .rows = task.rows,
      .columns = task.columns,
      .x_row = task.in_row,
      .x_pixel = task.in_pixel,
      .gradient_row = task.gradient_row,
      .gradient_pixel = task.gradient_pixel,
      .in_channels = task.in_channels,
      .out_channels = task.out_channels,
  };
  const bool by_rows = takes_rows_of_taps(task);
  for (int64_t t = 0; t < task.taps; t += by_rows ? 3 : 1) {
    pixels.x = in + task.offsets[t];
    float* sums = task.sums + t * task.in_channels * task.out_channels;
    by_rows ? add_row_of_taps(pixels, sums) : add_tap(pixels, sums);
  }
}

int64_t weight_gradient_scratch(const WeightGradient&) { return 0; }

}  // namespace

const ConvolutionKernels kConvolutionsFloat = {&convolve<FloatProducts>, &add_weight_gradient,
                                               &weight_gradient_scratch};

}  // namespace reviewkd::ops::avx512
