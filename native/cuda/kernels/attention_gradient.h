#pragma once
// The gradients of attention based fusion, computed after AttentionSlopes; see AttentionMaps in kernel_backend.h.

#include "cuda/kernels/attention.h"

namespace reviewkd::cuda {

/// Sums all blocks' shares of the gradients of weights and bias: partials [parts, 4 · channels + 2], summed by the
/// last block of each channel group to finish. A block's own share has the order [x under z₀, x under z₁, y under z₀,
/// y under z₁], the weights' is [z₀: x, y; z₁: x, y].
template <typename T>
struct AttentionWeightSums {
  static constexpr int kSize = Pack<T>::kSize;
  /// Maximum number of values per group.
  static constexpr int kMost = 4 * Layout::kMostLanes * kSize + 2;
  static constexpr int kShared = 2 * PartSums::doubles(kMost);

  const ops::AttentionMaps& call;
  const Layout& layout;
  float* partials;
  int parts;

  REVIEWKD_BOTH int64_t values() const { return 4 * call.channels + 2; }

  /// The weight whose gradient is one of the four sums.
  REVIEWKD_BOTH int64_t weight_of(int which, int64_t channel) const {
    return (which % 2 * 2 + which / 2) * call.channels + channel;
  }
  /// Location of a partial result: one of the four sums, or the bias's two after them.
  REVIEWKD_BOTH float* at(int64_t part, int which, int64_t channel) const {
    return partials + part * values() + weight_of(which, channel);
  }
  REVIEWKD_BOTH float* bias_at(int64_t part, int k) const { return partials + part * values() + 4 * call.channels + k; }

  REVIEWKD_BOTH void finish(int phase, uint32_t group, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    const int64_t first = static_cast<int64_t>(group) * layout.lanes * kSize;
    const int channels = static_cast<int>(smaller<int64_t>(layout.lanes * kSize, call.channels - first));
    const int count = 4 * channels + (group == 0 ? 2 : 0);
    if (phase == 0) {
      PartSums::gather(count, parts, thread, sums, [&](int value, int part) {
        return value < 4 * channels ? at(part, value / channels, first + value % channels)
                                    : bias_at(part, value - 4 * channels);
      });
      return;
    }
    for (int value = thread; value < count; value += kBlockThreads) {
      const float sum = static_cast<float>(PartSums::total(count, value, sums));
      if (value >= 4 * channels) call.bias_gradient[value - 4 * channels] = sum;
      else call.weight_gradient[weight_of(value / channels, first + value % channels)] = sum;
    }
  }
};

/// Common to both kernels below: parameters, and the final phase of their groups.
template <typename T>
struct AttentionGradientParts {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kFinishPhases = 2;

  Layout layout;  // of the pixels of y
  ops::AttentionMaps call;
  const float* slopes;
  float* partials;

  int64_t blocks() const { return layout.blocks(); }
  REVIEWKD_BOTH uint32_t group(int64_t block) const { return layout.group(block); }
  REVIEWKD_BOTH uint32_t blocks_of_group() const { return layout.parts; }
  REVIEWKD_BOTH AttentionWeightSums<T> weight_sums() const {
    return {call, layout, partials, static_cast<int>(layout.parts)};
  }
  REVIEWKD_BOTH void finish(int phase, uint32_t group, int thread, float* shared) const {
    weight_sums().finish(phase, group, thread, shared);
  }
};

/// Each thread iterates over pixels of y, each with the window of x that is fused with it.
template <typename T>
struct AttentionGradient : AttentionGradientParts<T> {
  using AttentionGradientParts<T>::layout, AttentionGradientParts<T>::call, AttentionGradientParts<T>::slopes,
      AttentionGradientParts<T>::weight_sums;

  static constexpr int kSize = Pack<T>::kSize;
  using Sums = RowSums<4 * kSize + 2>;
  static constexpr int kPhases = 3;
  static constexpr int kShared =
      Sums::kShared > AttentionWeightSums<T>::kShared ? Sums::kShared : AttentionWeightSums<T>::kShared;

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    const uint32_t pack = layout.pack(block, thread);
    if (phase == 0) {
      float sums[4][kSize] = {};  // of x under both slopes, then of y
      float bias[2] = {0.0f, 0.0f};
      if (pack < layout.packs) {
        for (int64_t p = layout.first_pixel(block, thread); p < layout.pixels; p += layout.pixel_step()) {
          add_pixel(static_cast<uint32_t>(p), static_cast<int64_t>(pack) * kSize, sums, bias);
        }
      }
      for (int i = 0; i < 4 * kSize; ++i) Sums::give(shared, thread, i) = sums[i / kSize][i % kSize];
      // Every lane has the same slopes.
      for (int k = 0; k < 2; ++k) Sums::give(shared, thread, 4 * kSize + k) = pack == 0 ? bias[k] : 0.0f;
    } else if (phase == 1) {
      Sums::fold_rows(layout, thread, shared);
    } else {
      Sums::folded(layout, thread, shared, [&](int value, int lane, float sum) {
        const uint32_t lane_pack = layout.pack(block, lane);
        if (lane_pack >= layout.packs) return;
        if (value < 4 * kSize)
          *weight_sums().at(layout.part(block), value / kSize,
                            static_cast<int64_t>(lane_pack) * kSize + value % kSize) = sum;
        else if (lane_pack == 0) *weight_sums().bias_at(layout.part(block), value - 4 * kSize) = sum;
      });
    }
  }

  /// The pixel of y and the window of x that is fused with it.
  REVIEWKD_BOTH void add_pixel(uint32_t p, int64_t c, float (&sums)[4][kSize], float (&bias)[2]) const {
    const int64_t channels = call.channels;
    const uint32_t columns = static_cast<uint32_t>(call.columns);
    const uint32_t down = static_cast<uint32_t>(call.down);
    const uint32_t right = static_cast<uint32_t>(call.right);
    const uint32_t corner = p / columns * down * columns * right + p % columns * right;
    const float* weights = call.weights + c;
    float window_slopes[2] = {0.0f, 0.0f};
    Pack<T> y_gradient{};
    for (uint32_t first = 0; first < down * right; first += kInFlight) {
      Words gradient[kInFlight], x_words[kInFlight];
      REVIEWKD_UNROLL
      for (uint32_t i = 0; i < kInFlight; ++i) {
        if (first + i >= down * right) break;
        const int64_t pixel = corner + (first + i) / right * columns * right + (first + i) % right;
        gradient[i] = load_words(static_cast<const T*>(call.gradient) + pixel * channels + c);
        x_words[i] = load_words(static_cast<const T*>(call.x) + pixel * channels + c);
      }
      REVIEWKD_UNROLL
      for (uint32_t i = 0; i < kInFlight; ++i) {
        if (first + i >= down * right) break;
        const int64_t pixel = corner + (first + i) / right * columns * right + (first + i) % right;
        const Pack<T> g = unpacked<T>(gradient[i]);
        const Pack<T> x = unpacked<T>(x_words[i]);
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
    }
    const Pack<T> y = load(static_cast<const T*>(call.y) + static_cast<int64_t>(p) * channels + c);
    for (int k = 0; k < kSize; ++k) {
      sums[2][k] += window_slopes[0] * y[k];
      sums[3][k] += window_slopes[1] * y[k];
      y_gradient[k] += window_slopes[0] * weights[channels + k] + window_slopes[1] * weights[3 * channels + k];
    }
    store(static_cast<T*>(call.y_gradient) + static_cast<int64_t>(p) * channels + c, y_gradient);
    bias[0] += window_slopes[0];
    bias[1] += window_slopes[1];
  }
};

/// The same for large windows, in particular a map of one pixel: one block per pixel of y and channel group, whose
/// threads share the window.
template <typename T>
struct AttentionWindowGradient : AttentionGradientParts<T> {
  using AttentionGradientParts<T>::layout, AttentionGradientParts<T>::call, AttentionGradientParts<T>::slopes,
      AttentionGradientParts<T>::weight_sums;

  static constexpr int kSize = Pack<T>::kSize;
  /// Of x under both slopes, of the gradient under z₁; then both slopes.
  static constexpr int kSums = 3 * kSize + 2;
  using Sums = RowSums<kSums>;
  static constexpr int kPhases = 4;
  static constexpr int kTotals = Sums::kShared;
  static constexpr int kWithTotals = kTotals + kSums * Layout::kMostLanes;
  static constexpr int kShared =
      kWithTotals > AttentionWeightSums<T>::kShared ? kWithTotals : AttentionWeightSums<T>::kShared;

  /// For windows that give the threads of a block enough work, and a number of parts that one block can sum quickly.
  static bool suits(const ops::AttentionMaps& call) {
    return call.down * call.right >= 16 && call.images * call.rows * call.columns <= 1024;
  }

  /// Each pixel of y is a part.
  static Layout layout_of(int64_t y_pixels, int64_t packs) {
    Layout layout = Layout::over(y_pixels, packs);
    layout.parts = static_cast<uint32_t>(y_pixels);
    return layout;
  }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    const int64_t part = layout.part(block);
    if (phase == 0) {
      add_window(block, thread, shared);
    } else if (phase == 1) {
      Sums::fold_rows(layout, thread, shared);
    } else if (phase == 2) {
      Sums::folded(layout, thread, shared, [&](int value, int lane, float sum) {
        shared[kTotals + value * Layout::kMostLanes + lane] = sum;
        const uint32_t pack = layout.pack(block, lane);
        if (pack >= layout.packs) return;
        if (value < 2 * kSize)
          *weight_sums().at(part, value / kSize, static_cast<int64_t>(pack) * kSize + value % kSize) = sum;
        // Every lane has the same slopes.
        if (value >= 3 * kSize && pack == 0) *weight_sums().bias_at(part, value - 3 * kSize) = sum;
      });
    } else if (thread < layout.lanes && layout.pack(block, thread) < layout.packs) {
      const int64_t c = static_cast<int64_t>(layout.pack(block, thread)) * kSize;
      const auto total = [&](int value) { return shared[kTotals + value * Layout::kMostLanes + thread]; };
      const float slope0 = total(3 * kSize);
      const float slope1 = total(3 * kSize + 1);
      const float* weights = call.weights + c;
      const Pack<T> y = load(static_cast<const T*>(call.y) + part * call.channels + c);
      Pack<T> y_gradient;
      for (int k = 0; k < kSize; ++k) {
        *weight_sums().at(part, 2, c + k) = slope0 * y[k];
        *weight_sums().at(part, 3, c + k) = slope1 * y[k];
        y_gradient[k] =
            total(2 * kSize + k) + slope0 * weights[call.channels + k] + slope1 * weights[3 * call.channels + k];
      }
      store(static_cast<T*>(call.y_gradient) + part * call.channels + c, y_gradient);
    }
  }

  REVIEWKD_BOTH void add_window(int64_t block, int thread, float* shared) const {
    const int64_t channels = call.channels;
    const uint32_t columns = static_cast<uint32_t>(call.columns);
    const uint32_t right = static_cast<uint32_t>(call.right);
    const uint32_t pixels = static_cast<uint32_t>(call.down) * right;
    const uint32_t p = layout.part(block);
    const uint32_t corner = p / columns * static_cast<uint32_t>(call.down) * columns * right + p % columns * right;
    const uint32_t pack = layout.pack(block, thread);
    const int64_t c = static_cast<int64_t>(pack) * kSize;
    float sums[3][kSize] = {};
    float window_slopes[2] = {0.0f, 0.0f};
    for (uint32_t i = static_cast<uint32_t>(thread / layout.lanes); pack < layout.packs && i < pixels;
         i += static_cast<uint32_t>(layout.rows)) {
      const int64_t pixel = corner + i / right * columns * right + i % right;
      const Pack<T> g = load(static_cast<const T*>(call.gradient) + pixel * channels + c);
      const Pack<T> x = load(static_cast<const T*>(call.x) + pixel * channels + c);
      const float z0 = call.z[2 * pixel];
      const float z1 = call.z[2 * pixel + 1];
      const float slope0 = slopes[2 * pixel];
      const float slope1 = slopes[2 * pixel + 1];
      const float* weights = call.weights + c;
      Pack<T> x_gradient;
      for (int k = 0; k < kSize; ++k) {
        x_gradient[k] = g[k] * z0 + (slope0 * weights[k] + slope1 * weights[2 * channels + k]);
        sums[0][k] += slope0 * x[k];
        sums[1][k] += slope1 * x[k];
        sums[2][k] += g[k] * z1;
      }
      store(static_cast<T*>(call.x_gradient) + pixel * channels + c, x_gradient);
      window_slopes[0] += slope0;
      window_slopes[1] += slope1;
    }
    for (int i = 0; i < 3 * kSize; ++i) Sums::give(shared, thread, i) = sums[i / kSize][i % kSize];
    for (int k = 0; k < 2; ++k) Sums::give(shared, thread, 3 * kSize + k) = window_slopes[k];
  }
};

}  // namespace reviewkd::cuda
