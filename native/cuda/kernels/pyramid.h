#pragma once
// The pyramid loss; see Pyramid in kernel_backend.h.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/layout.h"

namespace reviewkd::cuda {

/// The windows of the finest grid in a map.
struct Windows {
  uint32_t rows, columns;  // pixels of a window

  static REVIEWKD_BOTH Windows of(const ops::Pyramid& call) {
    return {static_cast<uint32_t>(call.height / call.cells), static_cast<uint32_t>(call.width / call.cells)};
  }

  REVIEWKD_BOTH uint32_t pixels() const { return rows * columns; }
  /// Index in [images, height, width] of the first pixel of window `window`, both counted row by row, windows image
  /// by image.
  REVIEWKD_BOTH uint32_t corner(const ops::Pyramid& call, uint32_t window) const {
    const uint32_t cells = static_cast<uint32_t>(call.cells);
    const uint32_t cell = window % (cells * cells);
    const uint32_t row = window / (cells * cells) * static_cast<uint32_t>(call.height) + cell / cells * rows;
    return row * static_cast<uint32_t>(call.width) + cell % cells * columns;
  }
  /// Offset of pixel `p` of a window from its corner.
  REVIEWKD_BOTH uint32_t offset(const ops::Pyramid& call, uint32_t p) const {
    return p / columns * static_cast<uint32_t>(call.width) + p % columns;
  }
};

/// One block per window and channel group: Σ (left - right) per channel into shifts, Σ (left - right)² into squares
/// [blocks].
template <typename T>
struct WindowDifferences {
  using Sums = RowSums<Pack<T>::kSize + 1>;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 4;
  static constexpr int kShared = Sums::kShared + Layout::kMostLanes;

  Layout layout;  // of one window's pixels
  ops::Pyramid call;
  float* squares;

  int64_t blocks() const { return call.images * call.cells * call.cells * layout.groups; }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    constexpr int kSize = Pack<T>::kSize;
    const uint32_t window = static_cast<uint32_t>(block) / layout.groups;
    const uint32_t group = layout.group(block);
    if (phase == 0) {
      Pack<T> sums{};
      float square = 0.0f;
      const uint32_t pack = layout.pack_of_group(group, thread);
      if (pack < layout.packs) {
        const Windows windows = Windows::of(call);
        const uint32_t corner = windows.corner(call, window);
        const uint32_t rows = static_cast<uint32_t>(layout.rows);
        for (uint32_t first = static_cast<uint32_t>(thread / layout.lanes); first < windows.pixels();
             first += kInFlight * rows) {
          Words left[kInFlight], right[kInFlight];
          REVIEWKD_UNROLL
          for (uint32_t i = 0; i < kInFlight; ++i) {
            if (first + i * rows >= windows.pixels()) break;
            const int64_t at =
                (static_cast<int64_t>(corner + windows.offset(call, first + i * rows)) * layout.packs + pack) * kSize;
            left[i] = load_words(static_cast<const T*>(call.left) + at);
            right[i] = load_words(static_cast<const T*>(call.right) + at);
          }
          REVIEWKD_UNROLL
          for (uint32_t i = 0; i < kInFlight; ++i) {
            if (first + i * rows >= windows.pixels()) break;
            const Pack<T> student = unpacked<T>(left[i]);
            const Pack<T> teacher = unpacked<T>(right[i]);
            for (int k = 0; k < kSize; ++k) {
              const float distance = student[k] - teacher[k];
              sums[k] += distance;
              square += distance * distance;
            }
          }
        }
      }
      for (int i = 0; i < kSize; ++i) Sums::give(shared, thread, i) = sums[i];
      Sums::give(shared, thread, kSize) = square;
    } else if (phase == 1) {
      Sums::fold_rows(layout, thread, shared);
    } else if (phase == 2) {
      Sums::folded(layout, thread, shared, [&](int value, int lane, float sum) {
        if (value == kSize) shared[Sums::kShared + lane] = sum;
        const uint32_t pack = layout.pack_of_group(group, lane);
        if (value < kSize && pack < layout.packs)
          call.shifts[static_cast<int64_t>(window) * call.channels + pack * kSize + value] = sum;
      });
    } else if (thread == 0) {
      float sum = 0.0f;
      for (int lane = 0; lane < layout.lanes; ++lane) sum += shared[Sums::kShared + lane];
      squares[block] = sum;
    }
  }
};

/// One thread per image and channel: converts its sums to shifts of the gradient; the sum of a block's share of the
/// loss goes to parts [blocks]. The last block to finish sums everything: factor · Σ squares + Σ parts.
struct TurnSums {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 3;
  static constexpr int kFinishPhases = 2;
  static constexpr int kShared = 2 * kBlockThreads;  // doubles
  /// 4 × 4, the finest grid of the hierarchical context loss; the reference path handles finer ones.
  static constexpr int kMostCells = 16;
  /// Values that one thread sums at a time.
  static constexpr int kRun = 16;

  ops::Pyramid call;
  const float* squares;
  int64_t squares_count;
  double factor;
  float* parts;

  int64_t blocks() const { return ceil_div(call.images * call.channels, kThreads); }
  REVIEWKD_BOTH uint32_t group(int64_t) const { return 0; }
  REVIEWKD_BOTH uint32_t blocks_of_group() const {
    return static_cast<uint32_t>(ceil_div(call.images * call.channels, kThreads));
  }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    if (phase == 0) {
      shared[thread] = turn(block * kThreads + thread);
    } else if (phase == 1) {
      if (thread % kRun != 0) return;
      float sum = 0.0f;
      for (int i = 0; i < kRun; ++i) sum += shared[thread + i];
      shared[thread] = sum;
    } else if (thread == 0) {
      float sum = 0.0f;
      for (int i = 0; i < kThreads; i += kRun) sum += shared[i];
      parts[block] = sum;
    }
  }

  /// The loss of an image's channel over all levels.
  REVIEWKD_BOTH float turn(int64_t at) const {
    if (at >= call.images * call.channels) return 0.0f;
    const int cells = static_cast<int>(call.cells);
    float* sums = call.shifts + at / call.channels * (cells * cells) * call.channels + at % call.channels;
    float shifts[kMostCells];
    for (int i = 0; i < kMostCells; ++i) shifts[i] = 0.0f;
    float loss = 0.0f;
    for (int k = 0; k < call.levels; ++k) {
      const int level = static_cast<int>(call.level_cells[k]);
      const int nested = cells / level;
      const float window = static_cast<float>(call.height * call.width) / static_cast<float>(level * level);
      const float share =
          static_cast<float>(call.level_weight[k] / static_cast<double>(call.images * call.channels * level * level));
      for (int cell = 0; cell < level * level; ++cell) {
        const int row = cell / level * nested;
        const int column = cell % level * nested;
        float sum = 0.0f;
        for (int i = 0; i < nested * nested; ++i)
          sum += sums[((row + i / nested) * cells + column + i % nested) * call.channels];
        const float mean = sum / window;
        loss += share * mean * mean;
        const float shift = 2.0f * share * mean / window;
        for (int i = 0; i < nested * nested; ++i) shifts[(row + i / nested) * cells + column + i % nested] += shift;
      }
    }
    for (int i = 0; i < cells * cells; ++i) sums[i * call.channels] = shifts[i];
    return loss;
  }

  REVIEWKD_BOTH void finish(int phase, uint32_t, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    if (phase == 0) {
      double square = 0.0, part = 0.0;
      for (int64_t i = thread; i < squares_count; i += kThreads) square += static_cast<double>(squares[i]);
      for (int64_t i = thread; i < blocks_of_group(); i += kThreads) part += static_cast<double>(load_fresh(parts + i));
      sums[thread] = factor * square + part;
    } else if (thread == 0) {
      double sum = 0.0;
      REVIEWKD_UNROLL_BY_4
      for (int i = 0; i < kThreads; ++i) sum += sums[i];
      *call.loss = static_cast<float>(sum);
    }
  }
};

/// Up to kInFlight pixels of a pack of channels per thread: loss_gradient · (factor · (left - right) + shift of the
/// window).
template <typename T>
struct PyramidGradient {
  static constexpr int kSize = Pack<T>::kSize;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  Layout layout;  // of all pixels
  ops::Pyramid call;
  float factor;

  int64_t blocks() const { return layout.blocks(); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const uint32_t pack = layout.pack(block, thread);
    if (pack >= layout.packs) return;
    const float scale = *call.loss_gradient;
    const auto at = [&](int64_t pixel) { return (pixel * layout.packs + pack) * kSize; };
    Words left[kInFlight], right[kInFlight];
    each_pixel(
        layout, block, thread,
        [&](int i, int64_t pixel) {
          left[i] = load_words(static_cast<const T*>(call.left) + at(pixel));
          right[i] = load_words(static_cast<const T*>(call.right) + at(pixel));
        },
        [&](int i, int64_t pixel) {
          const float* shifts =
              call.shifts + cell_of(static_cast<uint32_t>(pixel)) * call.channels + static_cast<int64_t>(pack) * kSize;
          const Pack<T> student = unpacked<T>(left[i]);
          const Pack<T> teacher = unpacked<T>(right[i]);
          Pack<T> out;
          for (int k = 0; k < kSize; ++k) out[k] = scale * (factor * (student[k] - teacher[k]) + shifts[k]);
          store(static_cast<T*>(call.left_gradient) + at(pixel), out);
        });
  }

  /// The pixel's cell of the finest grid, counted over all images.
  REVIEWKD_BOTH int64_t cell_of(uint32_t pixel) const {
    const uint32_t width = static_cast<uint32_t>(call.width);
    const uint32_t height = static_cast<uint32_t>(call.height);
    const uint32_t cells = static_cast<uint32_t>(call.cells);
    const uint32_t line = pixel / width;
    const uint32_t row = line % height / (height / cells);
    const uint32_t column = pixel % width / (width / cells);
    return (static_cast<int64_t>(line / height) * cells + row) * cells + column;
  }
};

}  // namespace reviewkd::cuda
