#pragma once
// Attention based fusion; see AttentionMaps in kernel_backend.h.

#include <cmath>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/layout.h"

namespace reviewkd::cuda {

/// Neighbouring threads that share a pixel in sums over its channels.
constexpr int kPixelLanes = 8;
constexpr int kPixelRows = kBlockThreads / kPixelLanes;

REVIEWKD_BOTH uint32_t x_pixels(const ops::AttentionMaps& call) {
  return static_cast<uint32_t>(call.images * call.rows * call.down * call.columns * call.right);
}

/// The pixel of y that pixel `p` of x is fused with.
REVIEWKD_BOTH uint32_t y_pixel(const ops::AttentionMaps& call, uint32_t p) {
  const uint32_t width = static_cast<uint32_t>(call.columns * call.right);
  const uint32_t line = p / width;  // over all images
  return line / static_cast<uint32_t>(call.down) * static_cast<uint32_t>(call.columns) +
         p % width / static_cast<uint32_t>(call.right);
}

/// Adds up two sums over the lanes of a pixel.
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
    const uint32_t pixel = static_cast<uint32_t>(block) * kPixelRows + static_cast<uint32_t>(thread / kPixelLanes);
    const bool there = pixel < x_pixels(call);
    const int lane = thread % kPixelLanes;
    const T* x = static_cast<const T*>(call.x) + static_cast<int64_t>(there ? pixel : 0) * channels;
    const T* y = static_cast<const T*>(call.y) + static_cast<int64_t>(there ? y_pixel(call, pixel) : 0) * channels;
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
      if (lane < 2) call.z[2 * static_cast<int64_t>(pixel) + lane] = lane == 0 ? z[0] : z[1];
      T* out = static_cast<T*>(call.out) + static_cast<int64_t>(pixel) * channels;
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

/// slopes[pixel][k] = (Σ g · (x or y)) · z_k · (1 - z_k): the gradient of the sigmoid's input.
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
    const uint32_t pixel = static_cast<uint32_t>(block) * kPixelRows + static_cast<uint32_t>(thread / kPixelLanes);
    const bool there = pixel < x_pixels(call);
    const int lane = thread % kPixelLanes;
    if (phase == 0) {
      float sums[2] = {0.0f, 0.0f};
      if (there) {
        const T* x = static_cast<const T*>(call.x) + static_cast<int64_t>(pixel) * channels;
        const T* y = static_cast<const T*>(call.y) + static_cast<int64_t>(y_pixel(call, pixel)) * channels;
        const T* gradient = static_cast<const T*>(call.gradient) + static_cast<int64_t>(pixel) * channels;
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
      const float z = call.z[2 * static_cast<int64_t>(pixel) + lane];
      slopes[2 * static_cast<int64_t>(pixel) + lane] = (lane == 0 ? sums[0] : sums[1]) * z * (1.0f - z);
    }
  }
};

}  // namespace reviewkd::cuda
