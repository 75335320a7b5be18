#pragma once
// The pyramid loss; see Pyramid in accelerator.h.

#include "core/ops/accelerator.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// The windows of the finest grid in a map.
struct Windows {
  int64_t rows, columns;  // pixels of a window

  static REVIEWKD_BOTH Windows of(const ops::Pyramid& call) { return {call.height / call.cells, call.width / call.cells}; }

  REVIEWKD_BOTH int64_t pixels() const { return rows * columns; }
  /// The place in [images, height, width] of pixel `p` of window `window`, both counted row by row, windows image by image.
  REVIEWKD_BOTH int64_t pixel(const ops::Pyramid& call, int64_t window, int64_t p) const {
    const int64_t cell = window % (call.cells * call.cells);
    const int64_t row = cell / call.cells * rows + p / columns;
    const int64_t column = cell % call.cells * columns + p % columns;
    return (window / (call.cells * call.cells) * call.height + row) * call.width + column;
  }
};

/// A block for each window and group of channels: Σ (left - right) of each channel into shifts, Σ (left - right)² into squares [blocks].
template <typename T>
struct WindowDifferences {
  using Sums = RowSums<Pack<T>::kSize + 1>;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 4;
  static constexpr int kShared = Sums::kShared + 32;

  Layout layout;  // of one window's pixels
  ops::Pyramid call;
  float* squares;

  int64_t blocks() const { return call.images * call.cells * call.cells * layout.groups; }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t window = block / layout.groups;
    const int64_t group = block % layout.groups;
    if (phase == 0) {
      Pack<T> sums{};
      float square = 0.0f;
      const int64_t pack = layout.pack(group, thread);
      if (pack < layout.packs) {
        const Windows windows = Windows::of(call);
        for (int64_t p = thread / layout.lanes; p < windows.pixels(); p += layout.rows) {
          const int64_t at = windows.pixel(call, window, p) * call.channels + pack * kSize;
          const Pack<T> left = load(static_cast<const T*>(call.left) + at);
          const Pack<T> right = load(static_cast<const T*>(call.right) + at);
          for (int i = 0; i < kSize; ++i) {
            const float distance = left[i] - right[i];
            sums[i] += distance;
            square += distance * distance;
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
        const int64_t pack = layout.pack(group, lane);
        if (value < kSize && pack < layout.packs) call.shifts[window * call.channels + pack * kSize + value] = sum;
      });
    } else if (thread == 0) {
      float sum = 0.0f;
      for (int lane = 0; lane < layout.lanes; ++lane) sum += shared[Sums::kShared + lane];
      squares[block] = sum;
    }
  }
};

/// A thread for each image and channel: turns its sums into shifts of the gradient; its part of the loss goes into parts [images · channels].
struct TurnSums {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;
  /// 4 × 4, the finest grid of the hierarchical context loss; finer ones are left to the reference.
  static constexpr int kMostCells = 16;

  ops::Pyramid call;
  float* parts;

  int64_t blocks() const { return ceil_div(call.images * call.channels, kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t at = block * kThreads + thread;
    if (at >= call.images * call.channels) return;
    const int cells = static_cast<int>(call.cells);
    float* sums = call.shifts + at / call.channels * (cells * cells) * call.channels + at % call.channels;
    float shifts[kMostCells];
    for (int i = 0; i < kMostCells; ++i) shifts[i] = 0.0f;
    float loss = 0.0f;
    for (int k = 0; k < call.levels; ++k) {
      const int level = static_cast<int>(call.level_cells[k]);
      const int nested = cells / level;
      const float window = static_cast<float>(call.height * call.width) / static_cast<float>(level * level);
      const float share = static_cast<float>(call.level_weight[k] / static_cast<double>(call.images * call.channels * level * level));
      for (int cell = 0; cell < level * level; ++cell) {
        const int row = cell / level * nested;
        const int column = cell % level * nested;
        float sum = 0.0f;
        for (int i = 0; i < nested * nested; ++i) sum += sums[((row + i / nested) * cells + column + i % nested) * call.channels];
        const float mean = sum / window;
        loss += share * mean * mean;
        const float shift = 2.0f * share * mean / window;
        for (int i = 0; i < nested * nested; ++i) shifts[(row + i / nested) * cells + column + i % nested] += shift;
      }
    }
    for (int i = 0; i < cells * cells; ++i) sums[i * call.channels] = shifts[i];
    parts[at] = loss;
  }
};

/// One block: factor · Σ squares + Σ parts.
struct SumLoss {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 2;
  static constexpr int kShared = 2 * kBlockThreads;  // doubles

  const float* squares;
  int64_t squares_count;
  double factor;
  const float* parts;
  int64_t parts_count;
  float* loss;

  int64_t blocks() const { return 1; }

  REVIEWKD_BOTH void run(int phase, int64_t, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    if (phase == 0) {
      double square = 0.0, part = 0.0;
      for (int64_t i = thread; i < squares_count; i += kThreads) square += static_cast<double>(squares[i]);
      for (int64_t i = thread; i < parts_count; i += kThreads) part += static_cast<double>(parts[i]);
      sums[thread] = factor * square + part;
    } else if (thread == 0) {
      double sum = 0.0;
      for (int i = 0; i < kThreads; ++i) sum += sums[i];
      *loss = static_cast<float>(sum);
    }
  }
};

/// A thread for each pack of values: loss_gradient · (factor · (left - right) + shift of the window).
template <typename T>
struct PyramidGradient {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::Pyramid call;
  float factor;

  int64_t values() const { return call.images * call.height * call.width * call.channels; }
  int64_t blocks() const { return ceil_div(values() / Pack<T>::kSize, kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t at = (block * kThreads + thread) * kSize;
    const int64_t pixel = at / call.channels;
    const int64_t image = pixel / (call.height * call.width);
    if (image >= call.images) return;
    const int64_t row = pixel / call.width % call.height / (call.height / call.cells);
    const int64_t column = pixel % call.width / (call.width / call.cells);
    const float* shifts = call.shifts + (image * call.cells * call.cells + row * call.cells + column) * call.channels + at % call.channels;
    const float scale = *call.loss_gradient;
    const Pack<T> left = load(static_cast<const T*>(call.left) + at);
    const Pack<T> right = load(static_cast<const T*>(call.right) + at);
    Pack<T> out;
    for (int i = 0; i < kSize; ++i) out[i] = scale * (factor * (left[i] - right[i]) + shifts[i]);
    store(static_cast<T*>(call.left_gradient) + at, out);
  }
};

}  // namespace reviewkd::cuda
