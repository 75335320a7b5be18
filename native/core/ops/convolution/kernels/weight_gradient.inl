#pragma once
// The weight gradient of a direct convolution: a block of weights stays in registers while iterating over the pixels.
// See the two files that include this for `Products`, and tiles.inl.

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Two maps whose pixels correspond. The `kStep` values that one instruction accumulates are adjacent for each
/// channel. Distances are counted in values.
template <typename Products>
struct Pixels {
  const typename Products::Value* x;
  const typename Products::Value* gradient;
  int64_t rows, columns;
  int64_t x_row, x_pixel;
  int64_t gradient_row, gradient_pixel;
  int64_t in_channels, out_channels;
};

/// One tap: `kRows` input channels by `kVectors` vectors of output channels.
template <typename Products, int kVectors, int kRows>
void add_block(const Pixels<Products>& pixels, int64_t i, int64_t o, float* sums) {
  Floats block[kRows][kVectors] = {};
  for (int64_t r = 0; r < pixels.rows; ++r) {
    const auto* x = pixels.x + r * pixels.x_row + i * Products::kStep;
    const auto* g = pixels.gradient + r * pixels.gradient_row + o * Products::kStep;
    for (int64_t c = 0; c < pixels.columns; ++c, x += pixels.x_pixel, g += pixels.gradient_pixel) {
      typename Products::Factor factors[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) factors[v] = Products::factor(g + v * kLanes * Products::kStep);
#pragma GCC unroll 32
      for (int k = 0; k < kRows; ++k) {
        const auto value = Products::input(x + k * Products::kStep);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) Products::add(block[k][v], value, factors[v]);
      }
    }
  }
#pragma GCC unroll 32
  for (int k = 0; k < kRows; ++k) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* to = sums + (i + k) * pixels.out_channels + o + v * kLanes;
      store(to, load(to) + block[k][v]);
    }
  }
}

/// Accumulates one tap into sums[i][o].
template <typename Products>
void add_tap(const Pixels<Products>& pixels, float* sums) {
  int64_t o = 0;
  for (; o + 2 * kLanes <= pixels.out_channels; o += 2 * kLanes) {
    for (int64_t i = 0; i < pixels.in_channels; i += 8) add_block<Products, 2, 8>(pixels, i, o, sums);
  }
  for (; o < pixels.out_channels; o += kLanes) {
    for (int64_t i = 0; i < pixels.in_channels; i += 16) add_block<Products, 1, 16>(pixels, i, o, sums);
  }
}

/// Three taps of one row, one pixel apart: an input value in a register is multiplied by the gradients of three
/// pixels.
template <typename Products, int kRows>
void add_row_block(const Pixels<Products>& pixels, int64_t i, int64_t o, float* sums) {
  Floats block[3][kRows] = {};
  for (int64_t r = 0; r < pixels.rows; ++r) {
    const auto* x = pixels.x + r * pixels.x_row + i * Products::kStep;
    const auto* g = pixels.gradient + r * pixels.gradient_row + o * Products::kStep;
    typename Products::Factor before = {};
    typename Products::Factor last = {};
    for (int64_t c = 0; c < pixels.columns + 2; ++c, x += pixels.x_pixel, g += pixels.gradient_pixel) {
      const typename Products::Factor next = c < pixels.columns ? Products::factor(g) : typename Products::Factor{};
#pragma GCC unroll 32
      for (int k = 0; k < kRows; ++k) {
        const auto value = Products::input(x + k * Products::kStep);
        Products::add(block[0][k], value, next);
        Products::add(block[1][k], value, last);
        Products::add(block[2][k], value, before);
      }
      before = last;
      last = next;
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < 3; ++t) {
#pragma GCC unroll 32
    for (int k = 0; k < kRows; ++k) {
      float* to = sums + (t * pixels.in_channels + i + k) * pixels.out_channels + o;
      store(to, load(to) + block[t][k]);
    }
  }
}

/// Accumulates three taps of one row into sums[tap][i][o]; x has two more pixels per row than the gradient.
template <typename Products>
void add_row_of_taps(const Pixels<Products>& pixels, float* sums) {
  for (int64_t o = 0; o < pixels.out_channels; o += kLanes) {
    for (int64_t i = 0; i < pixels.in_channels; i += 8) add_row_block<Products, 8>(pixels, i, o, sums);
  }
}

/// Whether processing rows of taps is faster: with two vectors of the gradient, each input value is used twice
/// anyway.
inline bool takes_rows_of_taps(const WeightGradient& task) {
  return task.taps == 9 && task.in_pixel == task.in_channels && task.out_channels % (2 * kLanes) != 0;
}

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
