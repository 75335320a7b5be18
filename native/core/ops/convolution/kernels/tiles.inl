#pragma once
// Splits a convolution's output into tiles that fit the registers, and stores a tile's sums.

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Whether three taps from `t` on are one pixel apart, in order (1) or in reverse (-1); 0: they are not. An input
/// value in a register is then multiplied by all three weights.
inline int row_of_taps(const Convolution& task, int64_t t) {
  if (t + 2 >= task.taps) return 0;
  const int64_t first = task.offsets[t + 1] - task.offsets[t];
  if (first != task.offsets[t + 2] - task.offsets[t + 1]) return 0;
  return first == task.in_pixel ? 1 : first == -task.in_pixel ? -1 : 0;
}

/// The operands of an instruction, which accumulates `kStep` input channels at a time; see the two files that include
/// this.
///
/// Value: of maps and weights; Factor: one vector of weights. factor(weights) and input(values) read them; add(sums,
/// input, factor) adds the products of `kStep` channels. weights: [o / 16][t][i / kStep][16][kStep].

/// Three taps, with `t` as the leftmost. kPixel: the distance of pixels if known at compile time, so that addresses
/// need no registers.
template <typename Products, int kPixels, int64_t kPixel = 0>
void sum_row(const Convolution& task, const typename Products::Value* in, const typename Products::Value* weights,
             int64_t t, int direction, Floats (&sums)[kPixels][1]) {
  const int64_t pixel = kPixel > 0 ? kPixel : task.in_pixel;
  const int64_t tap = task.in_channels * kLanes;
  const auto* x = in + task.offsets[t];
  const auto* left = weights + task.weight_tap[t] * tap;
  const auto* middle = weights + task.weight_tap[t + direction] * tap;
  const auto* right = weights + task.weight_tap[t + 2 * direction] * tap;
  for (int64_t i = 0; i < task.in_channels; i += Products::kStep) {
    const typename Products::Factor factors[3] = {Products::factor(left + i * kLanes),
                                                  Products::factor(middle + i * kLanes),
                                                  Products::factor(right + i * kLanes)};
#pragma GCC unroll 32
    for (int p = 0; p < kPixels + 2; ++p) {
      const auto value = Products::input(x + p * pixel + i);
      if (p < kPixels) Products::add(sums[p < kPixels ? p : 0][0], value, factors[0]);
      if (p >= 1 && p <= kPixels) Products::add(sums[p >= 1 && p <= kPixels ? p - 1 : 0][0], value, factors[1]);
      if (p >= 2) Products::add(sums[p >= 2 ? p - 2 : 0][0], value, factors[2]);
    }
  }
}

template <typename Products, int kVectors, int kPixels>
void sum_taps(const Convolution& task, const typename Products::Value* in, const typename Products::Value* weights,
              Floats (&sums)[kPixels][kVectors]) {
  const int64_t vector_stride = task.weight_taps * task.in_channels * kLanes;
  for (int64_t t = 0; t < task.taps; ++t) {
    if constexpr (kVectors == 1) {
      if (const int direction = row_of_taps(task, t); direction != 0) {
        const int64_t leftmost = direction > 0 ? t : t + 2;
        if (task.in_pixel == kLanes) {
          sum_row<Products, kPixels, kLanes>(task, in, weights, leftmost, direction, sums);
        } else {
          sum_row<Products, kPixels>(task, in, weights, leftmost, direction, sums);
        }
        t += 2;
        continue;
      }
    }
    const auto* x = in + task.offsets[t];
    const auto* w = weights + task.weight_tap[t] * task.in_channels * kLanes;
    for (int64_t i = 0; i < task.in_channels; i += Products::kStep) {
      typename Products::Factor factors[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) factors[v] = Products::factor(w + v * vector_stride + i * kLanes);
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const auto value = Products::input(x + p * task.in_pixel + i);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) Products::add(sums[p][v], value, factors[v]);
      }
    }
  }
}

/// Pixels of a tile by vectors of output channels: their sums fill the registers that inputs and weights leave.
constexpr int kMostPixels[] = {0, 20, 12};

template <typename Products, int kVectors, int kPixels>
void convolve_tile(const Convolution& task, const typename Products::Value* in, const typename Products::Value* weights,
                   int64_t channel, int64_t out_offset) {
  using Value = typename Products::Value;
  Floats sums[kPixels][kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const Floats start = task.bias == nullptr ? Floats{} : load(task.bias + channel + v * kLanes);
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) sums[p][v] = start;
  }
  sum_taps<Products>(task, in, weights, sums);
  Value* out = static_cast<Value*>(task.out) + out_offset + channel;
  const Value* residual =
      task.residual == nullptr ? nullptr : static_cast<const Value*>(task.residual) + out_offset + channel;
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t offset = p * task.out_pixel + v * kLanes;
      Floats value = sums[p][v];
      if (residual != nullptr) value += load(residual + offset);
      if (task.relu) value = above_zero(value);
      store(out + offset, value);
    }
  }
}

template <typename Products, int kVectors, int kPixels>
void convolve_tile_of(int64_t pixels, const Convolution& task, const typename Products::Value* in,
                      const typename Products::Value* weights, int64_t channel, int64_t out_offset) {
  if constexpr (kPixels > 0) {
    if (pixels == kPixels) return convolve_tile<Products, kVectors, kPixels>(task, in, weights, channel, out_offset);
    convolve_tile_of<Products, kVectors, kPixels - 1>(pixels, task, in, weights, channel, out_offset);
  }
}

template <typename Products, int kVectors>
void convolve_channels(const Convolution& task, int64_t channel) {
  using Value = typename Products::Value;
  constexpr int kMost = kMostPixels[kVectors];
  const Value* weights = static_cast<const Value*>(task.weights) + channel * task.weight_taps * task.in_channels;
  const int64_t tiles = (task.columns + kMost - 1) / kMost;
  for (int64_t r = 0; r < task.rows; ++r) {
    int64_t column = 0;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      // Tiles of nearly equal width, so that none is too narrow to hide the latency of its sums.
      const int64_t pixels = (task.columns - column + (tiles - tile) - 1) / (tiles - tile);
      const Value* in = static_cast<const Value*>(task.in) + r * task.in_row + column * task.in_pixel;
      convolve_tile_of<Products, kVectors, kMost>(pixels, task, in, weights, channel,
                                                  r * task.out_row + column * task.out_pixel);
      column += pixels;
    }
  }
}

template <typename Products>
void convolve(const Convolution& task) {
  int64_t channel = 0;
  for (; channel + 2 * kLanes <= task.out_channels; channel += 2 * kLanes)
    convolve_channels<Products, 2>(task, channel);
  for (; channel < task.out_channels; channel += kLanes) convolve_channels<Products, 1>(task, channel);
}

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
