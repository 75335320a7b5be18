// Direct convolutions on float32 images in channels-last order. A tile of pixels by 16 or 32 output channels stays in registers
// while taps and input channels are summed up; each input value is broadcast from memory and meets one vector of weights.

#define REVIEWKD_ISA avx512
#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/vectors.h"
#include "core/ops/kernels/tiles.h"

namespace reviewkd::ops::avx512 {
namespace {

struct FloatTile {
  using Value = float;
  static constexpr int kMostPixels[] = {0, 20, 12};

  /// Three taps, of which `t` lies leftmost.
  template <int kPixels>
  static void sum_row(const Convolution& task, const float* in, const float* weights, int64_t t, int direction,
                      Floats (&sums)[kPixels][1]) {
    const int64_t tap = task.in_channels * kLanes;
    const float* x = in + task.offsets[t];
    const float* left = weights + task.weight_tap[t] * tap;
    const float* middle = weights + task.weight_tap[t + direction] * tap;
    const float* right = weights + task.weight_tap[t + 2 * direction] * tap;
    for (int64_t i = 0; i < task.in_channels; ++i) {
      const Floats factors[3] = {load(left + i * kLanes), load(middle + i * kLanes), load(right + i * kLanes)};
#pragma GCC unroll 32
      for (int p = 0; p < kPixels + 2; ++p) {
        const Floats value = splat(x[p * task.in_pixel + i]);
        if (p < kPixels) sums[p < kPixels ? p : 0][0] += value * factors[0];
        if (p >= 1 && p <= kPixels) sums[p >= 1 && p <= kPixels ? p - 1 : 0][0] += value * factors[1];
        if (p >= 2) sums[p >= 2 ? p - 2 : 0][0] += value * factors[2];
      }
    }
  }

  template <int kVectors, int kPixels>
  static void sum(const Convolution& task, const float* in, const float* weights, Floats (&sums)[kPixels][kVectors]) {
    const int64_t vector_stride = task.weight_taps * task.in_channels * kLanes;
    for (int64_t t = 0; t < task.taps; ++t) {
      if constexpr (kVectors == 1) {
        if (const int direction = row_of_taps(task, t); direction != 0) {
          sum_row(task, in, weights, direction > 0 ? t : t + 2, direction, sums);
          t += 2;
          continue;
        }
      }
      const float* x = in + task.offsets[t];
      const float* w = weights + task.weight_tap[t] * task.in_channels * kLanes;
      for (int64_t i = 0; i < task.in_channels; ++i) {
        Floats factors[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) factors[v] = load(w + v * vector_stride + i * kLanes);
#pragma GCC unroll 32
        for (int p = 0; p < kPixels; ++p) {
          const Floats value = splat(x[p * task.in_pixel + i]);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sums[p][v] += value * factors[v];
        }
      }
    }
  }
};

template <int kVectors, int kRows>
void add_block(const WeightGradient& task, const float* in, const float* gradient, float* sums) {
  Floats block[kRows][kVectors] = {};
  for (int64_t r = 0; r < task.rows; ++r) {
    const float* x = in + r * task.in_row;
    const float* g = gradient + r * task.gradient_row;
    for (int64_t c = 0; c < task.columns; ++c, x += task.in_pixel, g += task.gradient_pixel) {
      Floats factors[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) factors[v] = load(g + v * kLanes);
#pragma GCC unroll 32
      for (int i = 0; i < kRows; ++i) {
        const Floats value = splat(x[i]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) block[i][v] += value * factors[v];
      }
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

/// Three taps of one row, one pixel apart: an input value meets the gradients of three pixels once it is in a register.
template <int kRows>
void add_row_block(const WeightGradient& task, const float* in, const float* gradient, float* sums) {
  Floats block[3][kRows] = {};
  for (int64_t r = 0; r < task.rows; ++r) {
    const float* x = in + r * task.in_row;
    const float* g = gradient + r * task.gradient_row;
    Floats before = {};
    Floats last = {};
    for (int64_t c = 0; c < task.columns + 2; ++c, x += task.in_pixel, g += task.gradient_pixel) {
      const Floats next = c < task.columns ? load(g) : Floats{};
#pragma GCC unroll 32
      for (int i = 0; i < kRows; ++i) {
        const Floats value = splat(x[i]);
        block[0][i] += value * next;
        block[1][i] += value * last;
        block[2][i] += value * before;
      }
      before = last;
      last = next;
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < 3; ++t) {
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
      float* to = sums + (t * task.in_channels + i) * task.out_channels;
      store(to, load(to) + block[t][i]);
    }
  }
}

void add_weight_gradient(const WeightGradient& task) {
  const auto* in = static_cast<const float*>(task.in);
  const auto* gradient = static_cast<const float*>(task.gradient);
  // Where two vectors of the gradient are at hand, each input value meets two anyway.
  if (task.taps == 9 && task.in_pixel == task.in_channels && task.out_channels % (2 * kLanes) != 0) {
    for (int64_t t = 0; t < task.taps; t += 3) {
      float* row = task.sums + t * task.in_channels * task.out_channels;
      for (int64_t o = 0; o < task.out_channels; o += kLanes) {
        for (int64_t i = 0; i < task.in_channels; i += 8) {
          add_row_block<8>(task, in + task.offsets[t] + i, gradient + o, row + i * task.out_channels + o);
        }
      }
    }
    return;
  }
  for (int64_t t = 0; t < task.taps; ++t) {
    const float* x = in + task.offsets[t];
    float* tap = task.sums + t * task.in_channels * task.out_channels;
    int64_t o = 0;
    for (; o + 2 * kLanes <= task.out_channels; o += 2 * kLanes) {
      for (int64_t i = 0; i < task.in_channels; i += 8) add_block<2, 8>(task, x + i, gradient + o, tap + i * task.out_channels + o);
    }
    for (; o < task.out_channels; o += kLanes) {
      for (int64_t i = 0; i < task.in_channels; i += 16) add_block<1, 16>(task, x + i, gradient + o, tap + i * task.out_channels + o);
    }
  }
}

int64_t weight_gradient_scratch(const WeightGradient&) { return 0; }

}  // namespace

const ConvolutionKernels kConvolutionsFloat = {&convolve<FloatTile>, &add_weight_gradient, &weight_gradient_scratch};

}  // namespace reviewkd::ops::avx512
