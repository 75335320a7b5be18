#pragma once
// Attention based fusion; see AttentionMaps in accelerator.h.

#include <cmath>

#include "core/ops/accelerator.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// Neighbours that share a pixel in what needs sums over its channels.
constexpr int kPixelLanes = 8;
constexpr int kPixelRows = kBlockThreads / kPixelLanes;

/// The pixel of y that stands for pixel `p` of x.
REVIEWKD_BOTH int64_t y_pixel(const ops::AttentionMaps& call, int64_t p) {
  const int64_t width = call.columns * call.right;
  const int64_t height = call.rows * call.down;
  const int64_t row = p / width % height / call.down;
  return (p / (width * height) * call.rows + row) * call.columns + p % width / call.right;
}

REVIEWKD_BOTH int64_t x_pixels(const ops::AttentionMaps& call) {
  return call.images * call.rows * call.down * call.columns * call.right;
}

/// Adds up two sums of the lanes of a pixel.
REVIEWKD_BOTH void lane_sums(const float* shared, int thread, float (&sums)[2]) {
  sums[0] = sums[1] = 0.0f;
  const int first = thread / kPixelLanes * kPixelLanes;
  for (int lane = 0; lane < kPixelLanes; ++lane) {
    sums[0] += shared[first + lane];
    sums[1] += shared[kBlockThreads + first + lane];
  }
}

/// z[pixel][k] = sigmoid(bias[k] + weights[k] · (x, y)); out = x · z₀ + y · z₁.
template <typename T>
struct FuseByAttention {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 2;
  static constexpr int kShared = 2 * kBlockThreads;

  ops::AttentionMaps call;

  int64_t blocks() const { return ceil_div(x_pixels(call), kPixelRows); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t channels = call.channels;
    const int64_t pixel = block * kPixelRows + thread / kPixelLanes;
    const bool there = pixel < x_pixels(call);
    const int lane = thread % kPixelLanes;
    const T* x = static_cast<const T*>(call.x) + (there ? pixel : 0) * channels;
    const T* y = static_cast<const T*>(call.y) + (there ? y_pixel(call, pixel) : 0) * channels;
    if (phase == 0) {
      float sums[2] = {0.0f, 0.0f};
      for (int64_t c = lane * kSize; there && c < channels; c += kPixelLanes * kSize) {
        const Pack<T> mine = load(x + c);
        const Pack<T> other = load(y + c);
        for (int i = 0; i < kSize; ++i) {
          sums[0] += mine[i] * call.weights[c + i] + other[i] * call.weights[channels + c + i];
          sums[1] += mine[i] * call.weights[2 * channels + c + i] + other[i] * call.weights[3 * channels + c + i];
        }
      }
      shared[thread] = sums[0];
      shared[kBlockThreads + thread] = sums[1];
    } else if (there) {
      float z[2];
      lane_sums(shared, thread, z);
      for (int k = 0; k < 2; ++k) z[k] = 1.0f / (1.0f + expf(-(call.bias[k] + z[k])));
      if (lane < 2) call.z[2 * pixel + lane] = lane == 0 ? z[0] : z[1];
      T* out = static_cast<T*>(call.out) + pixel * channels;
      for (int64_t c = lane * kSize; c < channels; c += kPixelLanes * kSize) {
        const Pack<T> mine = load(x + c);
        const Pack<T> other = load(y + c);
        Pack<T> fused;
        for (int i = 0; i < kSize; ++i) fused[i] = mine[i] * z[0] + other[i] * z[1];
        store(out + c, fused);
      }
    }
  }
};

/// slopes[pixel][k] = (Σ g · (x or y)) · z_k · (1 - z_k): the gradient of what the sigmoid was taken of.
template <typename T>
struct AttentionSlopes {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 2;
  static constexpr int kShared = 2 * kBlockThreads;

  ops::AttentionMaps call;
  float* slopes;

  int64_t blocks() const { return ceil_div(x_pixels(call), kPixelRows); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t channels = call.channels;
    const int64_t pixel = block * kPixelRows + thread / kPixelLanes;
    const bool there = pixel < x_pixels(call);
    const int lane = thread % kPixelLanes;
    if (phase == 0) {
      float sums[2] = {0.0f, 0.0f};
      if (there) {
        const T* x = static_cast<const T*>(call.x) + pixel * channels;
        const T* y = static_cast<const T*>(call.y) + y_pixel(call, pixel) * channels;
        const T* gradient = static_cast<const T*>(call.gradient) + pixel * channels;
        for (int64_t c = lane * kSize; c < channels; c += kPixelLanes * kSize) {
          const Pack<T> g = load(gradient + c);
          const Pack<T> mine = load(x + c);
          const Pack<T> other = load(y + c);
          for (int i = 0; i < kSize; ++i) {
            sums[0] += g[i] * mine[i];
            sums[1] += g[i] * other[i];
          }
        }
      }
      shared[thread] = sums[0];
      shared[kBlockThreads + thread] = sums[1];
    } else if (there && lane < 2) {
      float sums[2];
      lane_sums(shared, thread, sums);
      const float z = call.z[2 * pixel + lane];
      slopes[2 * pixel + lane] = (lane == 0 ? sums[0] : sums[1]) * z * (1.0f - z);
    }
  }
};

/// Gradients of both maps, and each block's part of the weights' and the bias's: partials [parts, 4 · channels + 2].
template <typename T>
struct AttentionGradient {
  static constexpr int kSize = Pack<T>::kSize;
  using Sums = RowSums<4 * kSize + 2>;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 3;
  static constexpr int kShared = Sums::kShared;

  Layout layout;  // of the pixels of y
  ops::AttentionMaps call;
  const float* slopes;
  float* partials;

  int64_t blocks() const { return layout.blocks(); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    if (phase == 0) {
      float sums[4][kSize] = {};  // of x under both slopes, then of y
      float bias[2] = {0.0f, 0.0f};
      const int64_t pack = layout.pack(block, thread);
      if (pack < layout.packs) {
        for (int64_t p = layout.first_pixel(block, thread); p < layout.pixels; p += layout.pixel_step()) add_pixel(p, pack * kSize, sums, bias);
      }
      for (int i = 0; i < 4 * kSize; ++i) Sums::give(shared, thread, i) = sums[i / kSize][i % kSize];
      // Every lane has seen the same slopes.
      for (int k = 0; k < 2; ++k) Sums::give(shared, thread, 4 * kSize + k) = pack == 0 ? bias[k] : 0.0f;
    } else if (phase == 1) {
      Sums::fold_rows(layout, thread, shared);
    } else {
      float* mine = partials + layout.part(block) * (4 * call.channels + 2);
      Sums::folded(layout, thread, shared, [&](int value, int lane, float sum) {
        const int64_t pack = layout.pack(block, lane);
        if (pack >= layout.packs) return;
        if (value >= 4 * kSize) {
          if (pack == 0) mine[4 * call.channels + value - 4 * kSize] = sum;
          return;
        }
        // [x under z₀, x under z₁, y under z₀, y under z₁] -> [z₀: x, y; z₁: x, y]
        const int which = value / kSize;
        mine[(which % 2 * 2 + which / 2) * call.channels + pack * kSize + value % kSize] = sum;
      });
    }
  }

  /// The pixel of y and the window of x that it stands for.
  REVIEWKD_BOTH void add_pixel(int64_t p, int64_t c, float (&sums)[4][kSize], float (&bias)[2]) const {
    const int64_t channels = call.channels;
    const int64_t width = call.columns * call.right;
    const int64_t column = p % call.columns;
    const int64_t row = p / call.columns;  // of all images
    const float* weights = call.weights + c;
    float window_slopes[2] = {0.0f, 0.0f};
    Pack<T> y_gradient{};
    for (int64_t i = 0; i < call.down * call.right; ++i) {
      const int64_t pixel = (row * call.down + i / call.right) * width + column * call.right + i % call.right;
      const Pack<T> g = load(static_cast<const T*>(call.gradient) + pixel * channels + c);
      const Pack<T> x = load(static_cast<const T*>(call.x) + pixel * channels + c);
      const float z0 = call.z[2 * pixel];
      const float z1 = call.z[2 * pixel + 1];
      const float slope0 = slopes[2 * pixel];
      const float slope1 = slopes[2 * pixel + 1];
      Pack<T> x_gradient;
      for (int k = 0; k < kSize; ++k) {
        x_gradient[k] = g[k] * z0 + (slope0 * weights[k] + slope1 * weights[2 * channels + k]);
        y_gradient[k] += g[k] * z1;
        sums[0][k] += slope0 * x[k];
        sums[1][k] += slope1 * x[k];
      }
      store(static_cast<T*>(call.x_gradient) + pixel * channels + c, x_gradient);
      window_slopes[0] += slope0;
      window_slopes[1] += slope1;
    }
    const Pack<T> y = load(static_cast<const T*>(call.y) + p * channels + c);
    for (int k = 0; k < kSize; ++k) {
      sums[2][k] += window_slopes[0] * y[k];
      sums[3][k] += window_slopes[1] * y[k];
      y_gradient[k] += window_slopes[0] * weights[channels + k] + window_slopes[1] * weights[3 * channels + k];
    }
    store(static_cast<T*>(call.y_gradient) + p * channels + c, y_gradient);
    bias[0] += window_slopes[0];
    bias[1] += window_slopes[1];
  }
};

/// Adds up what the blocks gave.
struct FinishAttentionGradient {
  static constexpr int kColumns = 32;
  static constexpr int kRows = kBlockThreads / kColumns;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 2;
  static constexpr int kShared = 2 * kBlockThreads;  // doubles

  int64_t parts, values;  // 4 · channels + 2
  const float* partials;
  float *weight_gradient, *bias_gradient;

  int64_t blocks() const { return ceil_div(values, kColumns); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    const int64_t at = block * kColumns + thread % kColumns;
    if (phase == 0) {
      double sum = 0.0;
      for (int64_t part = thread / kColumns; at < values && part < parts; part += kRows) sum += static_cast<double>(partials[part * values + at]);
      sums[thread] = sum;
    } else if (thread < kColumns && at < values) {
      double sum = 0.0;
      for (int row = 0; row < kRows; ++row) sum += sums[row * kColumns + thread];
      if (at < values - 2) weight_gradient[at] = static_cast<float>(sum);
      else bias_gradient[at - (values - 2)] = static_cast<float>(sum);
    }
  }
};

}  // namespace reviewkd::cuda
