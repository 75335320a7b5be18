#pragma once
// Batch normalization with what is added and ReLU, around a convolution; see BatchNormStatistics and what follows it in accelerator.h.

#include <cmath>

#include "core/ops/accelerator.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// Two sums of each channel over the pixels of a block: partials of [parts, 2, channels]. Derived::begin(channel) reads what a pack of channels
/// is held against; Derived::add(at, that, first, second) adds a pixel's share of the pack, whose values begin at `at`.
template <typename T, typename Derived>
struct PartialSums {
  using Sums = RowSums<2 * Pack<T>::kSize>;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 3;
  static constexpr int kShared = Sums::kShared;

  Layout layout;
  float* partials;

  int64_t blocks() const { return layout.blocks(); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    constexpr int kSize = Pack<T>::kSize;
    const Derived& derived = *static_cast<const Derived*>(this);
    if (phase == 0) {
      Pack<T> first{}, second{};
      const int64_t pack = layout.pack(block, thread);
      if (pack < layout.packs) {
        const Pack<T> start = derived.begin(pack * kSize);
        for (int64_t p = layout.first_pixel(block, thread); p < layout.pixels; p += layout.pixel_step()) {
          derived.add((p * layout.packs + pack) * kSize, start, first, second);
        }
      }
      for (int i = 0; i < kSize; ++i) {
        Sums::give(shared, thread, i) = first[i];
        Sums::give(shared, thread, kSize + i) = second[i];
      }
    } else if (phase == 1) {
      Sums::fold_rows(layout, thread, shared);
    } else {
      Sums::folded(layout, thread, shared, [&](int value, int lane, float sum) {
        const int64_t pack = layout.pack(block, lane);
        if (pack >= layout.packs) return;
        partials[((layout.part(block) * 2 + value / kSize) * layout.packs + pack) * kSize + value % kSize] = sum;
      });
    }
  }
};

/// Moments about a channel's first value, which is near enough to the mean that squares do not cancel.
template <typename T>
struct BatchMoments : PartialSums<T, BatchMoments<T>> {
  const T* x;

  REVIEWKD_BOTH Pack<T> begin(int64_t channel) const { return load(x + channel); }

  REVIEWKD_BOTH void add(int64_t at, const Pack<T>& origin, Pack<T>& sums, Pack<T>& squares) const {
    const Pack<T> value = load(x + at);
    for (int i = 0; i < Pack<T>::kSize; ++i) {
      const float distance = value[i] - origin[i];
      sums[i] += distance;
      squares[i] += distance * distance;
    }
  }
};

/// Adds partial sums of [parts, 2, channels] up in double, for kChannels channels a block, and hands them to `finish` of Derived.
template <typename Derived>
struct ChannelSums {
  static constexpr int kChannels = 8;
  static constexpr int kRows = kBlockThreads / kChannels;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 2;
  static constexpr int kShared = 2 * 2 * kBlockThreads;  // doubles

  int64_t parts, channels;
  const float* partials;

  int64_t blocks() const { return ceil_div(channels, kChannels); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    if (phase == 0) {
      const int64_t c = block * kChannels + thread % kChannels;
      double first = 0.0, second = 0.0;
      if (c < channels) {
        for (int64_t part = thread / kChannels; part < parts; part += kRows) {
          first += static_cast<double>(partials[2 * part * channels + c]);
          second += static_cast<double>(partials[(2 * part + 1) * channels + c]);
        }
      }
      sums[thread] = first;
      sums[kBlockThreads + thread] = second;
    } else if (thread < kChannels && block * kChannels + thread < channels) {
      double first = 0.0, second = 0.0;
      for (int row = 0; row < kRows; ++row) {
        first += sums[row * kChannels + thread];
        second += sums[kBlockThreads + row * kChannels + thread];
      }
      static_cast<const Derived*>(this)->finish(block * kChannels + thread, first, second);
    }
  }
};

template <typename T>
struct FinishStatistics : ChannelSums<FinishStatistics<T>> {
  ops::BatchNormStatistics call;

  REVIEWKD_BOTH void finish(int64_t c, double sum, double squares) const {
    const double count = static_cast<double>(call.shape.pixels);
    const double distance = sum / count;
    const double mean = static_cast<double>(to_float(static_cast<const T*>(call.x)[c])) + distance;
    const double spread = squares / count - distance * distance;
    const double variance = spread > 0.0 ? spread : 0.0;
    const double inverse = 1.0 / sqrt(variance + call.epsilon);
    const double factor = static_cast<double>(call.gamma[c]) * inverse;
    call.scale[c] = static_cast<float>(factor);
    call.shift[c] = static_cast<float>(static_cast<double>(call.beta[c]) - mean * factor);
    call.mean[c] = static_cast<float>(mean);
    call.inverse[c] = static_cast<float>(inverse);
    const double unbiased = count > 1.0 ? variance * count / (count - 1.0) : variance;
    const double biased_mean = call.bias == nullptr ? mean : mean + static_cast<double>(call.bias[c]);
    call.running_mean[c] = moved(call.running_mean[c], biased_mean);
    call.running_variance[c] = moved(call.running_variance[c], unbiased);
  }

  REVIEWKD_BOTH float moved(float running, double value) const {
    return static_cast<float>((1.0 - call.momentum) * static_cast<double>(running) + call.momentum * value);
  }
};

/// A thread for each pack of values.
template <typename T>
struct Normalize {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::Normalization call;

  int64_t packs() const { return call.shape.pixels * call.shape.channels / Pack<T>::kSize; }
  int64_t blocks() const { return ceil_div(packs(), kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t at = (block * kThreads + thread) * kSize;
    if (at >= call.shape.pixels * call.shape.channels) return;
    const int64_t c = at % call.shape.channels;
    Pack<T> value = load(static_cast<const T*>(call.x) + at);
    for (int i = 0; i < kSize; ++i) value[i] = value[i] * call.scale[c + i] + call.shift[c + i];
    if (call.residual != nullptr) {
      const Pack<T> added = load(static_cast<const T*>(call.residual) + at);
      for (int i = 0; i < kSize; ++i) value[i] += added[i];
    }
    if (call.relu) {
      // NaN stays, as at::relu leaves it.
      for (int i = 0; i < kSize; ++i) value[i] = value[i] < 0.0f ? 0.0f : value[i];
    }
    store(static_cast<T*>(call.out) + at, value);
  }
};

template <typename T>
REVIEWKD_BOTH Pack<T> masked_gradient(const void* gradient, const void* active, int64_t at) {
  Pack<T> result = load(static_cast<const T*>(gradient) + at);
  if (active == nullptr) return result;
  const Pack<T> above = load(static_cast<const T*>(active) + at);
  for (int i = 0; i < Pack<T>::kSize; ++i) result[i] = above[i] > 0.0f ? result[i] : 0.0f;
  return result;
}

/// Σ g and Σ g · (x - mean).
template <typename T>
struct ReduceGradient : PartialSums<T, ReduceGradient<T>> {
  ops::BatchNormGradient call;

  REVIEWKD_BOTH Pack<T> begin(int64_t channel) const {
    Pack<T> mean;
    for (int i = 0; i < Pack<T>::kSize; ++i) mean[i] = call.mean[channel + i];
    return mean;
  }

  REVIEWKD_BOTH void add(int64_t at, const Pack<T>& mean, Pack<T>& sums, Pack<T>& products) const {
    const Pack<T> g = masked_gradient<T>(call.gradient, call.active, at);
    const Pack<T> value = load(static_cast<const T*>(call.x) + at);
    for (int i = 0; i < Pack<T>::kSize; ++i) {
      sums[i] += g[i];
      products[i] += g[i] * (value[i] - mean[i]);
    }
    if (call.masked != nullptr) store(static_cast<T*>(call.masked) + at, g);
  }
};

/// The gradient of what was normalized is a · g + b · (x - mean) + k: factors are [a, b, k] of each channel.
struct FinishGradient : ChannelSums<FinishGradient> {
  ops::BatchNormGradient call;

  REVIEWKD_BOTH void finish(int64_t c, double sum, double product) const {
    const double count = static_cast<double>(call.shape.pixels);
    const double inverse = static_cast<double>(call.inverse[c]);
    const double factor = static_cast<double>(call.gamma[c]) * inverse;
    const double slope = -factor * inverse * inverse * product / count;
    call.factors[c] = static_cast<float>(factor);
    call.factors[channels + c] = static_cast<float>(slope);
    call.factors[2 * channels + c] = static_cast<float>(-factor * sum / count);
    call.gamma_gradient[c] = static_cast<float>(product * inverse);
    call.beta_gradient[c] = static_cast<float>(sum);
  }
};

template <typename T>
struct ApplyGradient {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::BatchNormGradient call;

  int64_t blocks() const { return ceil_div(call.shape.pixels * call.shape.channels / Pack<T>::kSize, kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t channels = call.shape.channels;
    const int64_t at = (block * kThreads + thread) * kSize;
    if (at >= call.shape.pixels * channels) return;
    const int64_t c = at % channels;
    const Pack<T> g = masked_gradient<T>(call.gradient, call.active, at);
    const Pack<T> value = load(static_cast<const T*>(call.x) + at);
    Pack<T> out;
    for (int i = 0; i < kSize; ++i) {
      out[i] = call.factors[c + i] * g[i] + (call.factors[channels + c + i] * (value[i] - call.mean[c + i]) + call.factors[2 * channels + c + i]);
    }
    store(static_cast<T*>(call.x_gradient) + at, out);
  }
};

}  // namespace reviewkd::cuda
