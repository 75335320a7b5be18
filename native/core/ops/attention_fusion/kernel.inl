#pragma once
// Attention based fusion of one image; see AttentionKernels. Included once per instruction set.

#include <math.h>

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

static_assert(kWidth == 8 || kWidth == 16);

inline float sum_of(Floats values) {
  float halves[8];
  for (int i = 0; i < 8; ++i) {
    if constexpr (kWidth == 16) {
      halves[i] = values[i] + values[i + 8];
    } else {
      halves[i] = values[i];
    }
  }
  return ((halves[0] + halves[4]) + (halves[2] + halves[6])) + ((halves[1] + halves[5]) + (halves[3] + halves[7]));
}

inline float sigmoid(float value) { return 1.0f / (1.0f + expf(-value)); }

/// x · z₀ + y · z₁ of one pixel.
template <typename T>
void merge_pixel(const T* x, const T* y, const float* z, T* out, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kWidth) store(out + c, load(x + c) * z[0] + load(y + c) * z[1]);
}

/// Calls body(pixel of x, pixel of y).
template <typename Body>
void each_pixel(const Attention& image, const Body& body) {
  const int64_t width = image.columns * image.right;
  for (int64_t r = 0; r < image.rows * image.down; ++r) {
    for (int64_t c = 0; c < width; ++c) body(r * width + c, r / image.down * image.columns + c / image.right);
  }
}

template <typename T>
void attention_forward(const Attention& image, const float* bias, float* z, void* out_values) {
  const int64_t channels = image.channels;
  const float* first = image.weights;
  const float* second = image.weights + 2 * channels;
  each_pixel(image, [&](int64_t pixel, int64_t y_pixel) {
    const T* x = static_cast<const T*>(image.x) + pixel * channels;
    const T* y = static_cast<const T*>(image.y) + y_pixel * channels;
    T* out = static_cast<T*>(out_values) + pixel * channels;
    Floats sums[2] = {};
    for (int64_t c = 0; c < channels; c += kWidth) {
      const Floats mine = load(x + c);
      const Floats other = load(y + c);
      sums[0] += mine * load(first + c) + other * load(first + channels + c);
      sums[1] += mine * load(second + c) + other * load(second + channels + c);
    }
    for (int k = 0; k < 2; ++k) z[2 * pixel + k] = sigmoid(bias[k] + sum_of(sums[k]));
    merge_pixel(x, y, z + 2 * pixel, out, channels);
  });
}

template <typename T>
void attention_merge(const Attention& image, const float* z, int64_t first, int64_t count, void* out_values) {
  const int64_t channels = image.channels;
  const int64_t width = image.columns * image.right;
  for (int64_t pixel = first; pixel < first + count; ++pixel) {
    const T* x = static_cast<const T*>(image.x) + (pixel - first) * channels;
    const T* y = static_cast<const T*>(image.y) +
                 (pixel / width / image.down * image.columns + pixel % width / image.right) * channels;
    T* out = static_cast<T*>(out_values) + (pixel - first) * channels;
    merge_pixel(x, y, z + 2 * pixel, out, channels);
  }
}

/// slopes[pixel][k]: the gradient of the sigmoid's input.
template <typename T>
void attention_slopes(const Attention& image, const float* z, const T* gradients, float* slopes, float* bias_sums) {
  each_pixel(image, [&](int64_t pixel, int64_t y_pixel) {
    const T* x = static_cast<const T*>(image.x) + pixel * image.channels;
    const T* y = static_cast<const T*>(image.y) + y_pixel * image.channels;
    const T* gradient = gradients + pixel * image.channels;
    Floats sums[2] = {};
    for (int64_t c = 0; c < image.channels; c += kWidth) {
      const Floats g = load(gradient + c);
      sums[0] += g * load(x + c);
      sums[1] += g * load(y + c);
    }
    for (int k = 0; k < 2; ++k) {
      const float value = z[2 * pixel + k];
      slopes[2 * pixel + k] = sum_of(sums[k]) * value * (1.0f - value);
      bias_sums[k] += slopes[2 * pixel + k];
    }
  });
}

template <typename T>
void attention_backward(const Attention& image, const float* z, const void* gradient_values, float* slopes,
                        void* x_gradient_values, void* y_gradient_values, float* weight_sums, float* bias_sums) {
  const int64_t channels = image.channels;
  const int64_t width = image.columns * image.right;
  attention_slopes(image, z, static_cast<const T*>(gradient_values), slopes, bias_sums);
  for (int64_t c = 0; c < channels; c += kWidth) {
    const Floats weight_x[2] = {load(image.weights + c), load(image.weights + 2 * channels + c)};
    const Floats weight_y[2] = {load(image.weights + channels + c), load(image.weights + 3 * channels + c)};
    Floats sums_x[2] = {};
    Floats sums_y[2] = {};
    for (int64_t r = 0; r < image.rows; ++r) {
      for (int64_t column = 0; column < image.columns; ++column) {
        // Sums over the window of x that the pixel of y covers.
        Floats y_gradient = {};
        float window_slopes[2] = {};
        for (int64_t down = 0; down < image.down; ++down) {
          for (int64_t right = 0; right < image.right; ++right) {
            const int64_t pixel = (r * image.down + down) * width + column * image.right + right;
            const Floats g = load(static_cast<const T*>(gradient_values) + pixel * channels + c);
            const Floats x = load(static_cast<const T*>(image.x) + pixel * channels + c);
            const float slope0 = slopes[2 * pixel];
            const float slope1 = slopes[2 * pixel + 1];
            store(static_cast<T*>(x_gradient_values) + pixel * channels + c,
                  g * z[2 * pixel] + (slope0 * weight_x[0] + slope1 * weight_x[1]));
            y_gradient += g * z[2 * pixel + 1];
            window_slopes[0] += slope0;
            window_slopes[1] += slope1;
            sums_x[0] += slope0 * x;
            sums_x[1] += slope1 * x;
          }
        }
        const int64_t offset = (r * image.columns + column) * channels + c;
        const Floats y = load(static_cast<const T*>(image.y) + offset);
        sums_y[0] += window_slopes[0] * y;
        sums_y[1] += window_slopes[1] * y;
        store(static_cast<T*>(y_gradient_values) + offset,
              y_gradient + (window_slopes[0] * weight_y[0] + window_slopes[1] * weight_y[1]));
      }
    }
    for (int k = 0; k < 2; ++k) {
      float* const for_x = weight_sums + 2 * k * channels + c;
      float* const for_y = for_x + channels;
      store(for_x, load(for_x) + sums_x[k]);
      store(for_y, load(for_y) + sums_y[k]);
    }
  }
}

template <typename T>
constexpr AttentionKernels kAttention = {&attention_forward<T>, &attention_merge<T>, &attention_backward<T>};

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
