#pragma once
// The difference of two maps and its averages over a grid; see PyramidKernels. Included once per instruction set.

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Calls body(cell, offset of a row of the cell's window, pixels of that row).
template <typename Body>
void each_window_row(int64_t height, int64_t width, int64_t channels, int64_t cells, const Body& body) {
  const int64_t pixels = width / cells;
  for (int64_t r = 0; r < height; ++r) {
    const int64_t first = r / (height / cells) * cells;
    for (int64_t k = 0; k < cells; ++k) body(first + k, (r * width + k * pixels) * channels, pixels);
  }
}

template <typename T>
double difference(const void* left_values, const void* right_values, int64_t height, int64_t width, int64_t channels,
                  int64_t cells, float* sums) {
  double total = 0.0;
  for (int64_t c = 0; c < channels; c += kWidth) {
    const T* left = static_cast<const T*>(left_values) + c;
    const T* right = static_cast<const T*>(right_values) + c;
    for (int64_t cell = 0; cell < cells * cells; ++cell) store(sums + cell * channels + c, Floats{});
    Floats squares = {};
    each_window_row(height, width, channels, cells, [&](int64_t cell, int64_t offset, int64_t pixels) {
      Floats sum = {};
      for (int64_t p = 0; p < pixels; ++p, offset += channels) {
        const Floats distance = load(left + offset) - load(right + offset);
        sum += distance;
        squares += distance * distance;
      }
      float* to = sums + cell * channels + c;
      store(to, load(to) + sum);
    });
    for (int64_t lane = 0; lane < kWidth; ++lane) total += static_cast<double>(squares[lane]);
  }
  return total;
}

template <typename T>
void difference_gradient(const void* left_values, const void* right_values, int64_t height, int64_t width,
                         int64_t channels, int64_t cells, float factor, const float* shifts, void* out_values) {
  for (int64_t c = 0; c < channels; c += kWidth) {
    const T* left = static_cast<const T*>(left_values) + c;
    const T* right = static_cast<const T*>(right_values) + c;
    T* out = static_cast<T*>(out_values) + c;
    each_window_row(height, width, channels, cells, [&](int64_t cell, int64_t offset, int64_t pixels) {
      const Floats shift = load(shifts + cell * channels + c);
      for (int64_t p = 0; p < pixels; ++p, offset += channels) {
        store(out + offset, (load(left + offset) - load(right + offset)) * factor + shift);
      }
    });
  }
}

template <typename T>
constexpr PyramidKernels kPyramid = {&difference<T>, &difference_gradient<T>};

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
