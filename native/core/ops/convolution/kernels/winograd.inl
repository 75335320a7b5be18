#pragma once
// Winograd's convolution of images in channels-last order: 36 products per tile of 4×4 outputs instead of 144.
// Included once per instruction set. A block of tiles is transformed, multiplied point by point and transformed back
// while it is in the cache.

#include <algorithm>

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"
#include "core/ops/convolution/kernels/winograd_transforms.inl"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

constexpr int64_t kTile = 4;
constexpr int64_t kPatch = 6;

/// The minimum number of rows of a product.
constexpr int64_t kFewRows = 4;

/// Few channels: a block's data stays in the core's cache. Many: the filters, which each block reads again, dominate.
int64_t most_tiles(int64_t in_channels, int64_t out_channels) {
  return std::max(in_channels, out_channels) < 128 ? 16 : 64;
}

int64_t rounded_rows(int64_t rows) { return (rows + kFewRows - 1) / kFewRows * kFewRows; }

/// Floats from one point to the next. Not a power of two, or all points would map to the same cache lines.
int64_t point_stride(int64_t tiles, int64_t channels) { return tiles * channels + 16; }

int64_t scratch_size(int64_t in_channels, int64_t out_channels) {
  const int64_t tiles = most_tiles(in_channels, out_channels);
  return kWinogradPoints * (point_stride(tiles, in_channels) + point_stride(tiles, out_channels));
}

/// The tiles of a task, in blocks.
template <typename Task>
class Tiles {
 public:
  struct Corner {
    int64_t image, row, column;
  };

  explicit Tiles(const Task& task)
      : across_((task.width + kTile - 1) / kTile),
        down_((task.height + kTile - 1) / kTile),
        in_image_(down_ * across_),
        first_(task.first_tile),
        count_(task.tiles),
        in_block_(equal_part(count_, most_tiles(task.in_channels, task.out_channels))),
        in_stride_(point_stride(in_block_, task.in_channels)),
        out_stride_(point_stride(in_block_, task.out_channels)) {}

  int64_t in_stride() const { return in_stride_; }
  int64_t out_stride() const { return out_stride_; }

  /// Calls body(first tile, count) for each block.
  template <typename Body>
  void each_block(const Body& body) const {
    for (int64_t k = 0; k < count_; k += in_block_) body(first_ + k, std::min(in_block_, count_ - k));
  }

  Corner at(int64_t tile) const {
    const int64_t inside = tile % in_image_;
    return {tile / in_image_, inside / across_ * kTile, inside % across_ * kTile};
  }

  /// The next tile.
  Corner next(Corner corner) const {
    corner.column += kTile;
    if (corner.column < across_ * kTile) return corner;
    corner.column = 0;
    corner.row += kTile;
    if (corner.row < down_ * kTile) return corner;
    return {corner.image + 1, 0, 0};
  }

 private:
  /// Splits into as few parts as possible, all of nearly equal size.
  static int64_t equal_part(int64_t count, int64_t most) {
    const int64_t blocks = (count + most - 1) / most;
    return rounded_rows((count + blocks - 1) / blocks);
  }

  int64_t across_, down_, in_image_, first_, count_, in_block_, in_stride_, out_stride_;
};

/// The 6×6 input pixels of `count` tiles, transformed; zeros outside the image. to: [36] points, `stride` apart, of
/// [count, in_channels].
template <typename T, typename Task>
void read_patches(const Task& task, const Tiles<Task>& tiles, int64_t first, int64_t count, float* to, int64_t stride) {
  const int64_t channels = task.in_channels;
  for (int64_t c = 0; c < channels; c += kWidth) {
    Floats columns[kPatch][kPatch];  // transformed vertically
    auto corner = tiles.at(first);
    for (int64_t t = 0; t < count; ++t, corner = tiles.next(corner)) {
      const int64_t top = corner.row - 1, left = corner.column - 1;
      const T* const image = static_cast<const T*>(task.in) + corner.image * task.height * task.width * channels + c;
      const bool whole = top >= 0 && top + kPatch <= task.height;
      const auto column = [&](int64_t j) {
        Floats values[kPatch] = {}, transformed[kPatch];
        if (left + j >= 0 && left + j < task.width) {
#pragma GCC unroll 6
          for (int64_t i = 0; i < kPatch; ++i) {
            if (whole || (top + i >= 0 && top + i < task.height))
              values[i] = load(image + ((top + i) * task.width + left + j) * channels);
          }
        }
        transform_patch(values, transformed);
#pragma GCC unroll 6
        for (int64_t i = 0; i < kPatch; ++i) columns[i][j] = transformed[i];
      };
      // The tile to the left has already transformed the first two.
      if (t > 0 && corner.column > 0) {
#pragma GCC unroll 6
        for (int64_t i = 0; i < kPatch; ++i) {
          columns[i][0] = columns[i][kTile];
          columns[i][1] = columns[i][kTile + 1];
        }
      } else {
        column(0);
        column(1);
      }
#pragma GCC unroll 4
      for (int64_t j = kPatch - kTile; j < kPatch; ++j) column(j);
#pragma GCC unroll 6
      for (int64_t i = 0; i < kPatch; ++i) {
        Floats transformed[kPatch];
        transform_patch(columns[i], transformed);
#pragma GCC unroll 6
        for (int64_t j = 0; j < kPatch; ++j) store(to + (i * kPatch + j) * stride + t * channels + c, transformed[j]);
      }
    }
  }
}

/// Transforms a tile of the gradient. to: [36] points, `stride` apart.
template <typename T>
void read_gradient(const WinogradGradient& task, const Tiles<WinogradGradient>::Corner& corner, float* to,
                   int64_t stride) {
  const int64_t channels = task.out_channels;
  const int64_t rows = std::min(kTile, task.height - corner.row), columns = std::min(kTile, task.width - corner.column);
  const T* from = static_cast<const T*>(task.gradient) +
                  ((corner.image * task.height + corner.row) * task.width + corner.column) * channels;
  for (int64_t c = 0; c < channels; c += kWidth) {
    along_both<kTile, kPatch, transform_tile>(
        [&](int64_t i, int64_t j) {
          return i < rows && j < columns ? load(from + (i * task.width + j) * channels + c) : Floats{};
        },
        [&](int64_t i, int64_t j, Floats value) { store(to + (i * kPatch + j) * stride + c, value); });
  }
}

/// Computes a tile's outputs from its products, [36] points `stride` apart.
template <typename T>
void write_tile(const Winograd& task, const Tiles<Winograd>::Corner& corner, const float* products, int64_t stride) {
  const int64_t channels = task.out_channels;
  const int64_t rows = std::min(kTile, task.height - corner.row), columns = std::min(kTile, task.width - corner.column);
  const int64_t start = ((corner.image * task.height + corner.row) * task.width + corner.column) * channels;
  T* out = static_cast<T*>(task.out) + start;
  const T* residual = task.residual == nullptr ? nullptr : static_cast<const T*>(task.residual) + start;
  const bool whole = rows == kTile && columns == kTile;
  for (int64_t c = 0; c < channels; c += kWidth) {
    const Floats bias = task.bias == nullptr ? Floats{} : load(task.bias + c);
    const auto read = [&](int64_t i, int64_t j) { return load(products + (i * kPatch + j) * stride + c); };
    const auto write = [&](int64_t i, int64_t j, Floats value) {
      const int64_t offset = (i * task.width + j) * channels + c;
      value += bias;
      if (residual != nullptr) value += load(residual + offset);
      if (task.relu) value = above_zero(value);
      store(out + offset, value);
    };
    if (whole) {
      along_both<kPatch, kTile, restore_tile>(read, write);
    } else {
      along_both<kPatch, kTile, restore_tile>(read, [&](int64_t i, int64_t j, Floats value) {
        if (i < rows && j < columns) write(i, j, value);
      });
    }
  }
}

/// A matrix that is read value by value.
struct Left {
  const float* values;
  int64_t row, k;  // distances
};

/// result[r][c] (+)= Σ_k left(r, k) · right[k][c] for a block of rows and `kVectors` vectors, all of which stay in
/// registers.
template <int kVectors, int kRows, bool kAdd>
void multiply_block(const Left& left, const float* right, float* result, int64_t columns, int64_t depth) {
  Floats sums[kRows][kVectors] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Floats line[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) line[v] = load(right + k * columns + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Floats value = splat(left.values[r * left.row + k * left.k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] += value * line[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* to = result + r * columns + v * kWidth;
      store(to, kAdd ? load(to) + sums[r][v] : sums[r][v]);
    }
  }
}

/// All columns that fill `kVectors` vectors. rows is a multiple of kFewRows.
template <int kVectors, int kRows, bool kAdd>
void multiply_columns(const Left& left, const float* right, float* result, int64_t rows, int64_t columns,
                      int64_t depth) {
  const auto from_row = [&](int64_t r) { return Left{left.values + r * left.row, left.row, left.k}; };
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    multiply_block<kVectors, kRows, kAdd>(from_row(r), right, result + r * columns, columns, depth);
  for (; r < rows; r += kFewRows)
    multiply_block<kVectors, kFewRows, kAdd>(from_row(r), right, result + r * columns, columns, depth);
}

/// columns is a multiple of 16, rows of kFewRows.
template <bool kAdd>
void multiply(const Left& left, const float* right, float* result, int64_t rows, int64_t columns, int64_t depth) {
  constexpr int kOne = static_cast<int>(kWidth);
  int64_t c = 0;
  if constexpr (kWidth == 16) {
    // With many channels, `right` no longer stays in the nearest cache: the more rows share it the better.
    constexpr int64_t kManyValues = 96;
    if (depth < kManyValues) {
      for (; c + 4 * kWidth <= columns; c += 4 * kWidth)
        multiply_columns<4, kOne / 4, kAdd>(left, right + c, result + c, rows, columns, depth);
    } else {
      for (; c + 2 * kWidth <= columns; c += 2 * kWidth)
        multiply_columns<2, 12, kAdd>(left, right + c, result + c, rows, columns, depth);
    }
  }
  for (; c + 2 * kWidth <= columns; c += 2 * kWidth)
    multiply_columns<2, kOne / 2, kAdd>(left, right + c, result + c, rows, columns, depth);
  for (; c < columns; c += kWidth) multiply_columns<1, kOne, kAdd>(left, right + c, result + c, rows, columns, depth);
}

template <typename T>
void convolve(const Winograd& task) {
  const Tiles<Winograd> tiles(task);
  const int64_t in = task.in_channels, out = task.out_channels;
  float* const patches = task.scratch;                                     // [36][tiles][in]
  float* const products = patches + kWinogradPoints * tiles.in_stride();   // [36][tiles][out]
  tiles.each_block([&](int64_t first, int64_t count) {
    read_patches<T>(task, tiles, first, count, patches, tiles.in_stride());
    // The last rows may not be tiles; their values are multiplied, too, but never read.
    const int64_t rows = rounded_rows(count);
    for (int64_t p = 0; p < kWinogradPoints; ++p) {
      float* const left = patches + p * tiles.in_stride();
      std::fill(left + count * in, left + rows * in, 0.0f);
      multiply<false>({left, in, 1}, task.filters + p * in * out, products + p * tiles.out_stride(), rows, out, in);
    }
    for (int64_t t = 0; t < count; ++t)
      write_tile<T>(task, tiles.at(first + t), products + t * out, tiles.out_stride());
  });
}

template <typename T>
void add_gradient(const WinogradGradient& task) {
  const Tiles<WinogradGradient> tiles(task);
  const int64_t in = task.in_channels, out = task.out_channels;
  float* const patches = task.scratch;                                      // [36][tiles][in]
  float* const gradients = patches + kWinogradPoints * tiles.in_stride();   // [36][tiles][out]
  tiles.each_block([&](int64_t first, int64_t count) {
    read_patches<T>(task, tiles, first, count, patches, tiles.in_stride());
    for (int64_t t = 0; t < count; ++t)
      read_gradient<T>(task, tiles.at(first + t), gradients + t * out, tiles.out_stride());
    for (int64_t p = 0; p < kWinogradPoints; ++p) {
      multiply<true>({patches + p * tiles.in_stride(), 1, in}, gradients + p * tiles.out_stride(),
                     task.sums + p * in * out, in, out, count);
    }
  });
}

/// [from², pairs] -> [to², pairs], the first `count` pairs.
template <int kFrom, int kTo, void (*transform)(const Floats*, Floats*)>
void transform_planes(const float* from, int64_t pairs, int64_t count, float* to) {
  for (int64_t k = 0; k < count; k += kWidth) {
    along_both<kFrom, kTo, transform>(
        [&](int64_t i, int64_t j) { return load(from + (i * kFrom + j) * pairs + k); },
        [&](int64_t i, int64_t j, Floats value) { store(to + (i * kTo + j) * pairs + k, value); });
  }
}

template <typename T>
constexpr WinogradKernels kWinograd = {&transform_planes<3, 6, transform_filter>,
                                       &transform_planes<6, 3, restore_filter>, &convolve<T>, &add_gradient<T>,
                                       &scratch_size};

}  // namespace

const WinogradKernels kWinogradFloat = kWinograd<float>;
const WinogradKernels kWinogradBfloat16 = kWinograd<Bfloat16>;

}  // namespace reviewkd::ops::REVIEWKD_ISA
