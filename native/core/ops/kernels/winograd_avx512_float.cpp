// Convolutions of 3×3 kernels and stride 1 with 16 multiplications for each 2×2 pixels in place of 36, on float32 images in
// channels-last order. Lavin, Gray: "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), F(2×2, 3×3), whose
// transforms add and subtract alone, so that rounding stays as it is.

#define REVIEWKD_ISA avx512
#include "core/ops/kernels/float_tile.h"
#include "core/ops/kernels/float_weight_gradient.h"
#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/tiles.h"
#include "core/ops/kernels/vectors.h"

namespace reviewkd::ops::avx512 {
namespace {

constexpr int64_t kPositions = 16;

/// Rows of 2×2 tiles that are worked on together: enough to use each weight or sum often, few enough to stay in the cache.
int64_t tile_rows_together(int64_t rows, int64_t columns, int64_t tiles) {
  const int64_t together = (tiles + columns / 2 - 1) / (columns / 2);
  return together < rows / 2 ? together : rows / 2;
}

int64_t tile_rows_together(const Convolution& task) { return tile_rows_together(task.rows, task.columns, 16); }
int64_t tile_rows_together(const WeightGradient& task) { return tile_rows_together(task.rows, task.columns, 64); }

/// Bᵀ d B of a 4×4 window of 16 channels; to[position] lie `stride` apart.
void transform_input(const float* in, int64_t pixel, int64_t row, float* to, int64_t stride) {
  Floats columns[4][4];
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const Floats d0 = load(in + c * pixel);
    const Floats d1 = load(in + row + c * pixel);
    const Floats d2 = load(in + 2 * row + c * pixel);
    const Floats d3 = load(in + 3 * row + c * pixel);
    columns[0][c] = d0 - d2;
    columns[1][c] = d1 + d2;
    columns[2][c] = d2 - d1;
    columns[3][c] = d1 - d3;
  }
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    float* at = to + 4 * r * stride;
    store(at, columns[r][0] - columns[r][2]);
    store(at + stride, columns[r][1] + columns[r][2]);
    store(at + 2 * stride, columns[r][2] - columns[r][1]);
    store(at + 3 * stride, columns[r][1] - columns[r][3]);
  }
}

/// Aᵀ m A to four pixels of 16 channels.
void transform_output(const Convolution& task, const float* from, int64_t stride, int64_t channel, int64_t out_offset) {
  Floats rows[2][4];
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const Floats m0 = load(from + c * stride);
    const Floats m1 = load(from + (4 + c) * stride);
    const Floats m2 = load(from + (8 + c) * stride);
    const Floats m3 = load(from + (12 + c) * stride);
    rows[0][c] = m0 + m1 + m2;
    rows[1][c] = m1 - m2 - m3;
  }
  const Floats bias = task.bias == nullptr ? Floats{} : load(task.bias + channel);
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    const Floats pixels[2] = {rows[r][0] + rows[r][1] + rows[r][2], rows[r][1] - rows[r][2] - rows[r][3]};
#pragma GCC unroll 2
    for (int c = 0; c < 2; ++c) {
      const int64_t offset = out_offset + r * task.out_row + c * task.out_pixel + channel;
      Floats value = pixels[c] + bias;
      if (task.residual != nullptr) value += load(static_cast<const float*>(task.residual) + offset);
      if (task.relu) value = above_zero(value);
      store(static_cast<float*>(task.out) + offset, value);
    }
  }
}

int64_t winograd_scratch(const Convolution& task) {
  const int64_t tiles = tile_rows_together(task) * task.columns / 2;
  return kPositions * tiles * (task.in_channels + task.out_channels) * static_cast<int64_t>(sizeof(float));
}

void winograd(const Convolution& task, void* scratch) {
  const int64_t tile_columns = task.columns / 2;
  const int64_t together = tile_rows_together(task);
  float* const transformed = static_cast<float*>(scratch);
  float* const products = transformed + kPositions * together * tile_columns * task.in_channels;
  for (int64_t first = 0; first < task.rows / 2; first += together) {
    const int64_t rows = first + together <= task.rows / 2 ? together : task.rows / 2 - first;
    const int64_t tiles = rows * tile_columns;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const float* in = static_cast<const float*>(task.in) + 2 * (first + tile / tile_columns) * task.in_row + 2 * (tile % tile_columns) * task.in_pixel;
      for (int64_t c = 0; c < task.in_channels; c += kLanes) {
        transform_input(in + c, task.in_pixel, task.in_row, transformed + tile * task.in_channels + c, tiles * task.in_channels);
      }
    }
    Convolution product = task;
    product.taps = 1;
    product.offsets[0] = 0;
    product.weight_taps = kPositions;
    product.in_pixel = task.in_channels;
    product.out_pixel = task.out_channels;
    product.in_row = product.out_row = 0;
    product.rows = 1;
    product.columns = tiles;
    product.bias = nullptr;
    product.residual = nullptr;
    product.relu = false;
    for (int64_t position = 0; position < kPositions; ++position) {
      product.in = transformed + position * tiles * task.in_channels;
      product.out = products + position * tiles * task.out_channels;
      product.weight_tap[0] = position;
      convolve<FloatTile>(product);
    }
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t offset = 2 * (first + tile / tile_columns) * task.out_row + 2 * (tile % tile_columns) * task.out_pixel;
      for (int64_t c = 0; c < task.out_channels; c += kLanes) {
        transform_output(task, products + tile * task.out_channels + c, tiles * task.out_channels, c, offset);
      }
    }
  }
}

/// A y Aᵀ of four pixels of 16 channels; to[position] lie `stride` apart.
void transform_gradient(const float* in, int64_t pixel, int64_t row, float* to, int64_t stride) {
  const Floats top[2] = {load(in), load(in + pixel)};
  const Floats bottom[2] = {load(in + row), load(in + row + pixel)};
  Floats rows[4][2];
#pragma GCC unroll 2
  for (int c = 0; c < 2; ++c) {
    rows[0][c] = top[c];
    rows[1][c] = top[c] + bottom[c];
    rows[2][c] = top[c] - bottom[c];
    rows[3][c] = -bottom[c];
  }
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    float* at = to + 4 * r * stride;
    store(at, rows[r][0]);
    store(at + stride, rows[r][0] + rows[r][1]);
    store(at + 2 * stride, rows[r][0] - rows[r][1]);
    store(at + 3 * stride, -rows[r][1]);
  }
}

int64_t weight_gradient_scratch_bytes(const WeightGradient& task) {
  const int64_t tiles = tile_rows_together(task) * task.columns / 2;
  return kPositions * tiles * (task.in_channels + task.out_channels) * static_cast<int64_t>(sizeof(float));
}

void add_transformed_weight_gradient(const WeightGradient& task) {
  const int64_t tile_columns = task.columns / 2;
  const int64_t together = tile_rows_together(task);
  float* const inputs = static_cast<float*>(task.scratch);
  float* const gradients = inputs + kPositions * together * tile_columns * task.in_channels;
  for (int64_t first = 0; first < task.rows / 2; first += together) {
    const int64_t rows = first + together <= task.rows / 2 ? together : task.rows / 2 - first;
    const int64_t tiles = rows * tile_columns;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = 2 * (first + tile / tile_columns);
      const int64_t column = 2 * (tile % tile_columns);
      const float* in = static_cast<const float*>(task.in) + row * task.in_row + column * task.in_pixel;
      const float* gradient = static_cast<const float*>(task.gradient) + row * task.gradient_row + column * task.gradient_pixel;
      for (int64_t c = 0; c < task.in_channels; c += kLanes) {
        transform_input(in + c, task.in_pixel, task.in_row, inputs + tile * task.in_channels + c, tiles * task.in_channels);
      }
      for (int64_t c = 0; c < task.out_channels; c += kLanes) {
        transform_gradient(gradient + c, task.gradient_pixel, task.gradient_row, gradients + tile * task.out_channels + c, tiles * task.out_channels);
      }
    }
    WeightGradient product = task;
    product.taps = 1;
    product.offsets[0] = 0;
    product.in_pixel = task.in_channels;
    product.gradient_pixel = task.out_channels;
    product.in_row = product.gradient_row = 0;
    product.rows = 1;
    product.columns = tiles;
    for (int64_t position = 0; position < kPositions; ++position) {
      product.in = inputs + position * tiles * task.in_channels;
      product.gradient = gradients + position * tiles * task.out_channels;
      product.sums = task.sums + position * task.in_channels * task.out_channels;
      add_weight_gradient(product);
    }
  }
}

}  // namespace

const WinogradKernels kWinogradFloat = {&winograd, &winograd_scratch, &add_transformed_weight_gradient, &weight_gradient_scratch_bytes};

}  // namespace reviewkd::ops::avx512
