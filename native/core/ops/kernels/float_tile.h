#pragma once
// The sums of a tile in float32: each input value is broadcast from memory and meets one vector of weights, or several.

#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/tiles.h"
#include "core/ops/kernels/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
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

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
