#pragma once
// Loops over pixels that treat all channels alike; see ChannelKernels. Included once per instruction set.

#include <type_traits>

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Bytes of a map processed for all channels before the next part, so that they stay in the core's cache.
constexpr int64_t kPartBytes = int64_t{128} << 10;

/// Calls body(first pixel, pixels, first channel, lanes): for groups of pixels, first with full vectors of channels,
/// then with the remaining ones.
template <typename T, typename Body>
void each_block(int64_t count, int64_t channels, const Body& body) {
  const int64_t fitting = kPartBytes / (channels * static_cast<int64_t>(sizeof(T)));
  const int64_t part = fitting > 0 ? fitting : 1;
  for (int64_t first = 0; first < count; first += part) {
    const int64_t pixels = count - first < part ? count - first : part;
    for (int64_t c = 0; c < channels; c += kWidth)
      body(first, pixels, c, channels - c < kWidth ? channels - c : kWidth);
  }
}

// When a block ends before the vector does, reads and writes beyond its channels must have no visible effect.
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
  each_block<T>(count, channels, [&](int64_t first, int64_t pixels, int64_t c, int64_t lanes) {
    const T* x = static_cast<const T*>(x_values) + first * channels + c;
    Floats sums[4] = {};
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4) {
      for (int64_t k = 0; k < 4; ++k) sums[k] += load_lanes(x + (p + k) * channels, lanes);
    }
    for (; p < pixels; ++p) sums[0] += load_lanes(x + p * channels, lanes);
    Floats center = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<float>(pixels);
    Floats squares[4] = {};
    for (p = 0; p + 4 <= pixels; p += 4) {
      for (int64_t k = 0; k < 4; ++k) {
        const Floats distance = load_lanes(x + (p + k) * channels, lanes) - center;
        squares[k] += distance * distance;
      }
    }
    for (; p < pixels; ++p) {
      const Floats distance = load_lanes(x + p * channels, lanes) - center;
      squares[0] += distance * distance;
    }
    Floats sum = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    if (first > 0) {
      // Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
      const Floats before = load_lanes(mean + c, lanes);
      const Floats distance = center - before;
      const float share = static_cast<float>(pixels) / static_cast<float>(first + pixels);
      center = before + distance * share;
      sum += load_lanes(m2 + c, lanes) + distance * distance * (static_cast<float>(first) * share);
    }
    store_lanes(mean + c, center, lanes);
    store_lanes(m2 + c, sum, lanes);
  });
}

template <typename T>
void normalize(const void* x_values, const float* scale, const float* shift, const void* residual, bool relu,
               void* out_values, int64_t count, int64_t channels) {
  each_block<T>(count, channels, [&](int64_t first, int64_t pixels, int64_t c, int64_t lanes) {
    const int64_t start = first * channels + c;
    const T* x = static_cast<const T*>(x_values) + start;
    const T* added = residual == nullptr ? nullptr : static_cast<const T*>(residual) + start;
    T* out = static_cast<T*>(out_values) + start;
    const Floats a = load_lanes(scale + c, lanes);
    const Floats b = load_lanes(shift + c, lanes);
    for (int64_t p = 0; p < pixels; ++p) {
      Floats value = load_lanes(x + p * channels, lanes) * a + b;
      if (added != nullptr) value += load_lanes(added + p * channels, lanes);
      if (relu) value = above_zero(value);
      store_lanes(out + p * channels, value, lanes);
    }
  });
}

/// The condition by which a gradient was clipped; see NormalizedMap.
enum class Cut { kNothing, kResult, kInput };

/// Calls body with the map's kind of clipping as a constant.
template <typename Body>
void with_cut(const NormalizedMap& map, const Body& body) {
  if (map.active != nullptr) {
    body(std::integral_constant<Cut, Cut::kResult>());
  } else if (map.scale != nullptr) {
    body(std::integral_constant<Cut, Cut::kInput>());
  } else {
    body(std::integral_constant<Cut, Cut::kNothing>());
  }
}

/// One vector of channels of such a map.
template <typename T, Cut kCut>
class NormalizedChannels {
 public:
  NormalizedChannels(const NormalizedMap& map, int64_t start, int64_t c, int64_t lanes)
      : lanes_(lanes), center_(load_lanes(map.mean + c, lanes)) {
    gradient_ = static_cast<const T*>(map.gradient) + start;
    x_ = static_cast<const T*>(map.x) + start;
    if constexpr (kCut == Cut::kResult) active_ = static_cast<const T*>(map.active) + start;
    if constexpr (kCut == Cut::kInput) {
      scale_ = load_lanes(map.scale + c, lanes);
      shift_ = load_lanes(map.shift + c, lanes);
    }
  }

  /// Calls body(g, x - mean) for the value at this offset.
  template <typename Body>
  void at(int64_t offset, const Body& body) const {
    Floats g = load_lanes(gradient_ + offset, lanes_);
    const Floats x = load_lanes(x_ + offset, lanes_);
    if constexpr (kCut == Cut::kResult) g = load_lanes(active_ + offset, lanes_) > 0 ? g : Floats{};
    if constexpr (kCut == Cut::kInput) g = x * scale_ + shift_ > 0 ? g : Floats{};
    body(g, x - center_);
  }

 private:
  int64_t lanes_;
  Floats center_;
  const T* gradient_;
  const T* x_;
  const T* active_ = nullptr;
  Floats scale_ = {}, shift_ = {};
};

template <typename T>
void reduce_gradient(const NormalizedMap& map, void* masked, float* sum, float* product, int64_t count,
                     int64_t channels) {
  with_cut(map, [&](auto cut) {
    each_block<T>(count, channels, [&](int64_t first, int64_t pixels, int64_t c, int64_t lanes) {
      const int64_t start = first * channels + c;
      const NormalizedChannels<T, decltype(cut)::value> values(map, start, c, lanes);
      T* out = masked == nullptr ? nullptr : static_cast<T*>(masked) + start;
      Floats sums = {};
      Floats products = {};
      for (int64_t p = 0; p < pixels; ++p) {
        values.at(p * channels, [&](Floats g, Floats distance) {
          sums += g;
          products += g * distance;
          if (out != nullptr) store_lanes(out + p * channels, g, lanes);
        });
      }
      store_lanes(sum + c, load_lanes(sum + c, lanes) + sums, lanes);
      store_lanes(product + c, load_lanes(product + c, lanes) + products, lanes);
    });
  });
}

template <typename T>
void normalization_gradient(const NormalizedMap& map, const float* a_values, const float* b_values,
                            const float* k_values, void* out_values, int64_t count, int64_t channels) {
  with_cut(map, [&](auto cut) {
    each_block<T>(count, channels, [&](int64_t first, int64_t pixels, int64_t c, int64_t lanes) {
      const int64_t start = first * channels + c;
      const NormalizedChannels<T, decltype(cut)::value> values(map, start, c, lanes);
      T* out = static_cast<T*>(out_values) + start;
      const Floats a = load_lanes(a_values + c, lanes);
      const Floats b = load_lanes(b_values + c, lanes);
      const Floats k = load_lanes(k_values + c, lanes);
      for (int64_t p = 0; p < pixels; ++p) {
        values.at(p * channels, [&](Floats g, Floats distance) {
          store_lanes(out + p * channels, a * g + (b * distance + k), lanes);
        });
      }
    });
  });
}

template <typename T>
constexpr ChannelKernels kChannels = {&moments<T>, &normalize<T>, &reduce_gradient<T>, &normalization_gradient<T>};

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
