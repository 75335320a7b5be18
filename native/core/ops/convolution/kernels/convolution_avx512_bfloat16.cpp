// Direct convolutions on bfloat16 images in channels-last order with float32 sums, analogous to the float32 file; one
// instruction adds the products of two input channels, or of two pixels in the weight gradient.

#include <immintrin.h>

#define REVIEWKD_ISA avx512_bfloat16
#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"
#include "core/ops/convolution/kernels/tiles.inl"
#include "core/ops/convolution/kernels/weight_gradient.inl"

namespace reviewkd::ops::avx512_bfloat16 {
namespace {

/// Multiplies two adjacent values by two factors.
struct Bfloat16Products {
  using Value = Bfloat16;
  using Factor = __m512i;
  static constexpr int kStep = 2;

  static __m512i factor(const Bfloat16* weights) { return _mm512_loadu_si512(weights); }
  static __m512i input(const Bfloat16* pair) {
    int32_t both;
    std::memcpy(&both, pair, sizeof both);
    return _mm512_set1_epi32(both);
  }
  static void add(Floats& sums, __m512i input, __m512i factor) {
    sums = reinterpret_cast<Floats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums), reinterpret_cast<__m512bh>(input),
                                                     reinterpret_cast<__m512bh>(factor)));
  }
};

/// Two pixels of 16 channels each, value by value: [16][2].
inline __m512i interleaved(const Bfloat16* first, const Bfloat16* second) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first)));
  if (second == nullptr) return low;
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(second)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/// Pairs of adjacent pixels: [rows][columns / 2][channels][2]. An odd last column is paired with zeros.
void pair_columns(const Bfloat16* image, int64_t rows, int64_t columns, int64_t row, int64_t pixel, int64_t channels,
                  Bfloat16* pairs) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; c += 2) {
      const Bfloat16* first = image + r * row + c * pixel;
      for (int64_t i = 0; i < channels; i += kLanes, pairs += 2 * kLanes) {
        _mm512_storeu_si512(pairs, interleaved(first + i, c + 1 < columns ? first + pixel + i : nullptr));
      }
    }
  }
}

/// Pairs of vertically adjacent pixels, from rows of `values` with stride `row`: [rows / 2][values][2]. An odd last
/// row is paired with zeros.
void pair_rows(const Bfloat16* image, int64_t rows, int64_t values, int64_t row, Bfloat16* pairs) {
  for (int64_t r = 0; r < rows; r += 2) {
    const Bfloat16* first = image + r * row;
    for (int64_t k = 0; k < values; k += kLanes, pairs += 2 * kLanes) {
      _mm512_storeu_si512(pairs, interleaved(first + k, r + 1 < rows ? first + row + k : nullptr));
    }
  }
}

int64_t half(int64_t count) { return (count + 1) / 2; }

/// Sizes of a row, and of three maps of row pairs.
struct RowPairs {
  explicit RowPairs(const WeightGradient& task)
      : gradient_row(task.columns * task.out_channels),
        x_row((task.columns + 2) * task.in_channels),
        gradient(half(task.rows) * 2 * gradient_row),
        even(half(task.rows + 2) * 2 * x_row),
        odd(half(task.rows + 1) * 2 * x_row) {}

  int64_t gradient_row, x_row;
  int64_t gradient, even, odd;
};

/// A tap's rows start one row below those of the tap above: pairs that start at an even row serve the first and the
/// last row of taps, and those that start at an odd one the middle row.
void add_by_rows(const WeightGradient& task) {
  const RowPairs size(task);
  auto* gradient = static_cast<Bfloat16*>(task.scratch);
  Bfloat16* even = gradient + size.gradient;
  Bfloat16* odd = even + size.even;
  const auto* image = static_cast<const Bfloat16*>(task.in) + task.offsets[0];
  pair_rows(static_cast<const Bfloat16*>(task.gradient), task.rows, size.gradient_row, task.gradient_row, gradient);
  pair_rows(image, task.rows + 2, size.x_row, size.x_row, even);
  pair_rows(image + size.x_row, task.rows + 1, size.x_row, size.x_row, odd);
  Pixels<Bfloat16Products> pixels{
      .x = even,
      .gradient = gradient,
      .rows = half(task.rows),
      .columns = task.columns,
      .x_row = 2 * size.x_row,
      .x_pixel = 2 * task.in_channels,
      .gradient_row = 2 * size.gradient_row,
      .gradient_pixel = 2 * task.out_channels,
      .in_channels = task.in_channels,
      .out_channels = task.out_channels,
  };
  const Bfloat16* starts[] = {even, odd, even + pixels.x_row};
  for (int64_t row = 0; row < 3; ++row) {
    pixels.x = starts[row];
    add_row_of_taps(pixels, task.sums + 3 * row * task.in_channels * task.out_channels);
  }
}

void add_tap_by_tap(const WeightGradient& task) {
  const int64_t pairs = task.rows * half(task.columns);
  auto* gradient = static_cast<Bfloat16*>(task.scratch);
  Bfloat16* x = gradient + pairs * 2 * task.out_channels;
  pair_columns(static_cast<const Bfloat16*>(task.gradient), task.rows, task.columns, task.gradient_row,
               task.gradient_pixel, task.out_channels, gradient);
  const Pixels<Bfloat16Products> pixels{
      .x = x,
      .gradient = gradient,
      .rows = 1,
      .columns = pairs,
      .x_row = 0,
      .x_pixel = 2 * task.in_channels,
      .gradient_row = 0,
      .gradient_pixel = 2 * task.out_channels,
      .in_channels = task.in_channels,
      .out_channels = task.out_channels,
  };
  for (int64_t t = 0; t < task.taps; ++t) {
    pair_columns(static_cast<const Bfloat16*>(task.in) + task.offsets[t], task.rows, task.columns, task.in_row,
                 task.in_pixel, task.in_channels, x);
    add_tap(pixels, task.sums + t * task.in_channels * task.out_channels);
  }
}

int64_t weight_gradient_scratch(const WeightGradient& task) {
  const RowPairs size(task);
  const int64_t values = takes_rows_of_taps(task)
                             ? size.gradient + size.even + size.odd
                             : task.rows * half(task.columns) * 2 * (task.in_channels + task.out_channels);
  return values * static_cast<int64_t>(sizeof(Bfloat16));
}

void add_weight_gradient(const WeightGradient& task) {
  takes_rows_of_taps(task) ? add_by_rows(task) : add_tap_by_tap(task);
}

}  // namespace

const ConvolutionKernels kConvolutionsBfloat16 = {&convolve<Bfloat16Products>, &add_weight_gradient,
                                                  &weight_gradient_scratch};

}  // namespace reviewkd::ops::avx512_bfloat16
