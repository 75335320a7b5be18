// Direct convolutions on bfloat16 images in channels-last order with float32 sums, as in the float32 file; one instruction adds
// the products of two input channels, or of two pixels where weights are differentiated.

#include <immintrin.h>

#define REVIEWKD_ISA avx512
#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/vectors.h"
#include "core/ops/kernels/tiles.h"

namespace reviewkd::ops::avx512 {
namespace {

inline Floats add_products(Floats sums, __m512i left, __m512i right) {
  return reinterpret_cast<Floats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums), reinterpret_cast<__m512bh>(left), reinterpret_cast<__m512bh>(right)));
}

inline __m512i splat_pair(const Bfloat16* pair) {
  int32_t both;
  std::memcpy(&both, pair, sizeof both);
  return _mm512_set1_epi32(both);
}

/// weights: [o / 16][t][i / 2][16][2].
struct Bfloat16Tile {
  using Value = Bfloat16;
  static constexpr int kMostPixels[] = {0, 20, 12};

  /// Three taps, of which `t` lies leftmost.
  template <int kPixels>
  static void sum_row(const Convolution& task, const Bfloat16* in, const Bfloat16* weights, int64_t t, int direction,
                      Floats (&sums)[kPixels][1]) {
    const int64_t tap = task.in_channels * kLanes;
    const Bfloat16* x = in + task.offsets[t];
    const Bfloat16* left = weights + task.weight_tap[t] * tap;
    const Bfloat16* middle = weights + task.weight_tap[t + direction] * tap;
    const Bfloat16* right = weights + task.weight_tap[t + 2 * direction] * tap;
    for (int64_t i = 0; i < task.in_channels; i += 2) {
      const __m512i factors[3] = {_mm512_loadu_si512(left + i * kLanes), _mm512_loadu_si512(middle + i * kLanes),
                                  _mm512_loadu_si512(right + i * kLanes)};
#pragma GCC unroll 32
      for (int p = 0; p < kPixels + 2; ++p) {
        const __m512i value = splat_pair(x + p * task.in_pixel + i);
        if (p < kPixels) add(sums[p < kPixels ? p : 0][0], value, factors[0]);
        if (p >= 1 && p <= kPixels) add(sums[p >= 1 && p <= kPixels ? p - 1 : 0][0], value, factors[1]);
        if (p >= 2) add(sums[p >= 2 ? p - 2 : 0][0], value, factors[2]);
      }
    }
  }

  static void add(Floats& sum, __m512i value, __m512i factors) { sum = add_products(sum, value, factors); }

  template <int kVectors, int kPixels>
  static void sum(const Convolution& task, const Bfloat16* in, const Bfloat16* weights, Floats (&sums)[kPixels][kVectors]) {
    const int64_t vector_stride = task.weight_taps * task.in_channels * kLanes;
    for (int64_t t = 0; t < task.taps; ++t) {
      if constexpr (kVectors == 1) {
        if (const int direction = row_of_taps(task, t); direction != 0) {
          sum_row(task, in, weights, direction > 0 ? t : t + 2, direction, sums);
          t += 2;
          continue;
        }
      }
      const Bfloat16* x = in + task.offsets[t];
      const Bfloat16* w = weights + task.weight_tap[t] * task.in_channels * kLanes;
      for (int64_t i = 0; i < task.in_channels; i += 2) {
        __m512i factors[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) factors[v] = _mm512_loadu_si512(w + v * vector_stride + i * kLanes);
#pragma GCC unroll 32
        for (int p = 0; p < kPixels; ++p) {
          const __m512i value = splat_pair(x + p * task.in_pixel + i);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sums[p][v] = add_products(sums[p][v], value, factors[v]);
        }
      }
    }
  }
};

/// Two pixels of 16 channels each, value by value: [16][2].
inline __m512i interleaved(const Bfloat16* first, const Bfloat16* second) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first)));
  if (second == nullptr) return low;
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(second)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/// [rows][columns / 2][channels][2]; an odd last column is paired with zeros.
void pair_pixels(const Bfloat16* image, int64_t rows, int64_t columns, int64_t row, int64_t pixel, int64_t channels, Bfloat16* pairs) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; c += 2) {
      const Bfloat16* first = image + r * row + c * pixel;
      for (int64_t i = 0; i < channels; i += kLanes, pairs += 2 * kLanes) {
        _mm512_storeu_si512(pairs, interleaved(first + i, c + 1 < columns ? first + pixel + i : nullptr));
      }
    }
  }
}

/// x: [pairs][in_channels][2]; gradient: [pairs][out_channels][2].
template <int kVectors, int kRows>
void add_block(const WeightGradient& task, int64_t pairs, const Bfloat16* x, const Bfloat16* gradient, float* sums) {
  Floats block[kRows][kVectors] = {};
  for (int64_t p = 0; p < pairs; ++p, x += 2 * task.in_channels, gradient += 2 * task.out_channels) {
    __m512i factors[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) factors[v] = _mm512_loadu_si512(gradient + 2 * v * kLanes);
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
      const __m512i value = splat_pair(x + 2 * i);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) block[i][v] = add_products(block[i][v], value, factors[v]);
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* to = sums + i * task.out_channels + v * kLanes;
      store(to, load(to) + block[i][v]);
    }
  }
}

int64_t pairs_of(const WeightGradient& task) { return task.rows * ((task.columns + 1) / 2); }

int64_t weight_gradient_scratch(const WeightGradient& task) {
  return pairs_of(task) * 2 * (task.in_channels + task.out_channels) * static_cast<int64_t>(sizeof(Bfloat16));
}

void add_weight_gradient(const WeightGradient& task) {
  const int64_t pairs = pairs_of(task);
  auto* gradient = static_cast<Bfloat16*>(task.scratch);
  Bfloat16* x = gradient + pairs * 2 * task.out_channels;
  pair_pixels(static_cast<const Bfloat16*>(task.gradient), task.rows, task.columns, task.gradient_row, task.gradient_pixel,
              task.out_channels, gradient);
  for (int64_t t = 0; t < task.taps; ++t) {
    pair_pixels(static_cast<const Bfloat16*>(task.in) + task.offsets[t], task.rows, task.columns, task.in_row, task.in_pixel,
                task.in_channels, x);
    float* tap = task.sums + t * task.in_channels * task.out_channels;
    int64_t o = 0;
    for (; o + 2 * kLanes <= task.out_channels; o += 2 * kLanes) {
      for (int64_t i = 0; i < task.in_channels; i += 8) {
        add_block<2, 8>(task, pairs, x + 2 * i, gradient + 2 * o, tap + i * task.out_channels + o);
      }
    }
    for (; o < task.out_channels; o += kLanes) {
      for (int64_t i = 0; i < task.in_channels; i += 16) {
        add_block<1, 16>(task, pairs, x + 2 * i, gradient + 2 * o, tap + i * task.out_channels + o);
      }
    }
  }
}

}  // namespace

const ConvolutionKernels kConvolutionsBfloat16 = {&convolve<Bfloat16Tile>, &add_weight_gradient, &weight_gradient_scratch};

}  // namespace reviewkd::ops::avx512
