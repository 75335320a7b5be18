#pragma once
// How a convolution's output is cut into tiles that fit the registers, and what happens to a tile's sums.

#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Whether three taps from `t` on lie one pixel apart, in order (1) or in reverse (-1); 0: they do not. An input value then meets
/// all three weights once it is in a register.
inline int row_of_taps(const Convolution& task, int64_t t) {
  if (t + 2 >= task.taps) return 0;
  const int64_t first = task.offsets[t + 1] - task.offsets[t];
  if (first != task.offsets[t + 2] - task.offsets[t + 1]) return 0;
  return first == task.in_pixel ? 1 : first == -task.in_pixel ? -1 : 0;
}

template <typename Tile, int kVectors, int kPixels>
void convolve_tile(const Convolution& task, const typename Tile::Value* in, const typename Tile::Value* weights, int64_t channel,
                   int64_t out_offset) {
  using Value = typename Tile::Value;
  Floats sums[kPixels][kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const Floats start = task.bias == nullptr ? Floats{} : load(task.bias + channel + v * kLanes);
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) sums[p][v] = start;
  }
  Tile::template sum<kVectors, kPixels>(task, in, weights, sums);
  Value* out = static_cast<Value*>(task.out) + out_offset + channel;
  const Value* residual = task.residual == nullptr ? nullptr : static_cast<const Value*>(task.residual) + out_offset + channel;
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

template <typename Tile, int kVectors, int kPixels>
void convolve_tile_of(int64_t pixels, const Convolution& task, const typename Tile::Value* in, const typename Tile::Value* weights,
                      int64_t channel, int64_t out_offset) {
  if constexpr (kPixels > 0) {
    if (pixels == kPixels) return convolve_tile<Tile, kVectors, kPixels>(task, in, weights, channel, out_offset);
    convolve_tile_of<Tile, kVectors, kPixels - 1>(pixels, task, in, weights, channel, out_offset);
  }
}

template <typename Tile, int kVectors>
void convolve_channels(const Convolution& task, int64_t channel) {
  using Value = typename Tile::Value;
  constexpr int kMost = Tile::kMostPixels[kVectors];
  const Value* weights = static_cast<const Value*>(task.weights) + channel * task.weight_taps * task.in_channels;
  const int64_t tiles = (task.columns + kMost - 1) / kMost;
  for (int64_t r = 0; r < task.rows; ++r) {
    int64_t column = 0;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      // Tiles of nearly one width, so that none is too narrow to hide the latency of its sums.
      const int64_t pixels = (task.columns - column + (tiles - tile) - 1) / (tiles - tile);
      const Value* in = static_cast<const Value*>(task.in) + r * task.in_row + column * task.in_pixel;
      convolve_tile_of<Tile, kVectors, kMost>(pixels, task, in, weights, channel, r * task.out_row + column * task.out_pixel);
      column += pixels;
    }
  }
}

template <typename Tile>
void convolve(const Convolution& task) {
  int64_t channel = 0;
  for (; channel + 2 * kLanes <= task.out_channels; channel += 2 * kLanes) convolve_channels<Tile, 2>(task, channel);
  for (; channel < task.out_channels; channel += kLanes) convolve_channels<Tile, 1>(task, channel);
}

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
