#pragma once
// Loops over pixels that treat each channel alike; see ChannelKernels. Included once for each instruction set.

#include "core/ops/kernels/kernels.h"
#include "core/ops/kernels/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Calls body(first channel, lanes): whole vectors, then one of what remains.
template <typename Body>
void each_block(int64_t channels, const Body& body) {
  for (int64_t c = 0; c < channels; c += kWidth) body(c, channels - c < kWidth ? channels - c : kWidth);
}

// What a block that ends before the vector does reads and writes beyond its channels must stay unseen.
template <typename T>
Floats load_lanes(const T* from, int64_t lanes) {
  if (lanes == kWidth) return load(from);
  T values[kWidth] = {};
  std::memcpy(values, from, static_cast<size_t>(lanes) * sizeof(T));
  return load(values);
}

template <typename T>
void store_lanes(T* to, Floats value, int64_t lanes) {
  if (lanes == kWidth) return store(to, value);
  T values[kWidth];
  store(values, value);
  std::memcpy(to, values, static_cast<size_t>(lanes) * sizeof(T));
}

template <typename T>
void moments(const void* x_values, int64_t count, int64_t channels, float* mean, float* m2) {
  each_block(channels, [&](int64_t c, int64_t lanes) {
    const T* x = static_cast<const T*>(x_values) + c;
    Floats sums[4] = {};
    int64_t p = 0;
    for (; p + 4 <= count; p += 4) {
      for (int64_t k = 0; k < 4; ++k) sums[k] += load_lanes(x + (p + k) * channels, lanes);
    }
    for (; p < count; ++p) sums[0] += load_lanes(x + p * channels, lanes);
    const Floats center = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<float>(count);
    Floats squares[4] = {};
    for (p = 0; p + 4 <= count; p += 4) {
      for (int64_t k = 0; k < 4; ++k) {
        const Floats distance = load_lanes(x + (p + k) * channels, lanes) - center;
        squares[k] += distance * distance;
      }
    }
    for (; p < count; ++p) {
      const Floats distance = load_lanes(x + p * channels, lanes) - center;
      squares[0] += distance * distance;
    }
    store_lanes(mean + c, center, lanes);
    store_lanes(m2 + c, (squares[0] + squares[1]) + (squares[2] + squares[3]), lanes);
  });
}

template <typename T>
void normalize(const void* x_values, const float* scale, const float* shift, const void* residual, bool relu, void* out_values,
               int64_t count, int64_t channels) {
  each_block(channels, [&](int64_t c, int64_t lanes) {
    const T* x = static_cast<const T*>(x_values) + c;
    const T* added = residual == nullptr ? nullptr : static_cast<const T*>(residual) + c;
    T* out = static_cast<T*>(out_values) + c;
    const Floats a = load_lanes(scale + c, lanes);
    const Floats b = load_lanes(shift + c, lanes);
    for (int64_t p = 0; p < count; ++p) {
      Floats value = load_lanes(x + p * channels, lanes) * a + b;
      if (added != nullptr) value += load_lanes(added + p * channels, lanes);
      if (relu) value = above_zero(value);
      store_lanes(out + p * channels, value, lanes);
    }
  });
}

template <typename T>
Floats masked_gradient(const T* gradient, const T* active, int64_t offset, int64_t lanes) {
  const Floats value = load_lanes(gradient + offset, lanes);
  if (active == nullptr) return value;
  return load_lanes(active + offset, lanes) > 0 ? value : Floats{};
}

template <typename T>
void reduce_gradient(const void* gradient_values, const void* active_values, const void* x_values, const float* mean, void* masked,
                     float* sum, float* product, int64_t count, int64_t channels) {
  each_block(channels, [&](int64_t c, int64_t lanes) {
    const T* gradient = static_cast<const T*>(gradient_values) + c;
    const T* active = active_values == nullptr ? nullptr : static_cast<const T*>(active_values) + c;
    const T* x = static_cast<const T*>(x_values) + c;
    T* out = masked == nullptr ? nullptr : static_cast<T*>(masked) + c;
    const Floats center = load_lanes(mean + c, lanes);
    Floats sums = {};
    Floats products = {};
    for (int64_t p = 0; p < count; ++p) {
      const Floats g = masked_gradient(gradient, active, p * channels, lanes);
      sums += g;
      products += g * (load_lanes(x + p * channels, lanes) - center);
      if (out != nullptr) store_lanes(out + p * channels, g, lanes);
    }
    store_lanes(sum + c, load_lanes(sum + c, lanes) + sums, lanes);
    store_lanes(product + c, load_lanes(product + c, lanes) + products, lanes);
  });
}

template <typename T>
void normalization_gradient(const void* gradient_values, const void* active_values, const void* x_values, const float* mean,
                            const float* a_values, const float* b_values, const float* k_values, void* out_values, int64_t count,
                            int64_t channels) {
  each_block(channels, [&](int64_t c, int64_t lanes) {
    const T* gradient = static_cast<const T*>(gradient_values) + c;
    const T* active = active_values == nullptr ? nullptr : static_cast<const T*>(active_values) + c;
    const T* x = static_cast<const T*>(x_values) + c;
    T* out = static_cast<T*>(out_values) + c;
    const Floats center = load_lanes(mean + c, lanes);
    const Floats a = load_lanes(a_values + c, lanes);
    const Floats b = load_lanes(b_values + c, lanes);
    const Floats k = load_lanes(k_values + c, lanes);
    for (int64_t p = 0; p < count; ++p) {
      const Floats g = masked_gradient(gradient, active, p * channels, lanes);
      store_lanes(out + p * channels, a * g + (b * (load_lanes(x + p * channels, lanes) - center) + k), lanes);
    }
  });
}

template <typename T>
constexpr ChannelKernels kChannels = {&moments<T>, &normalize<T>, &reduce_gradient<T>, &normalization_gradient<T>};

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
