#pragma once
// The gradient of a convolution's weights in float32: blocks of 8 or 16 input channels by one vector of output channels, or two,
// stay in registers while the pixels are summed up.

#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

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

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
