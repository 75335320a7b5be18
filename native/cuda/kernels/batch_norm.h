#pragma once
// Batch normalization with residual addition and ReLU, around a convolution; see BatchNormStatistics and the structs
// after it in kernel_backend.h.

#include <cmath>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/layout.h"

namespace reviewkd::cuda {

/// Two sums per channel over the pixels: partials of [parts, 2, channels], summed by the last block of each group to
/// finish, which passes both sums of a channel to Derived::finish_channel. Derived::origin(channel) reads the
/// reference values of a pack of channels; Derived::Loaded, read(at) and add(at, loaded, origin, first, second) add a
/// pixel's share of the pack, whose values begin at `at`.
template <typename T, typename Derived>
struct ChannelSums {
  static constexpr int kSize = Pack<T>::kSize;
  /// Channels per group.
  static constexpr int kChannels = Layout::kMostLanes * kSize;
  using Sums = RowSums<2 * kSize>;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 3;
  static constexpr int kFinishPhases = 2;
  static constexpr int kShared = Sums::kShared > 2 * PartSums::doubles(2 * kChannels)
                                     ? Sums::kShared
                                     : 2 * PartSums::doubles(2 * kChannels);

  Layout layout;
  float* partials;

  int64_t blocks() const { return layout.blocks(); }
  REVIEWKD_BOTH uint32_t group(int64_t block) const { return layout.group(block); }
  REVIEWKD_BOTH uint32_t blocks_of_group() const { return layout.parts; }
  REVIEWKD_BOTH int64_t channels() const { return static_cast<int64_t>(layout.packs) * kSize; }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    const Derived& derived = *static_cast<const Derived*>(this);
    if (phase == 0) {
      Pack<T> first{}, second{};
      const uint32_t pack = layout.pack(block, thread);
      if (pack < layout.packs) {
        const auto at = [&](int64_t pixel) { return (pixel * layout.packs + pack) * kSize; };
        const Pack<T> origin = derived.origin(static_cast<int64_t>(pack) * kSize);
        typename Derived::Loaded loaded[kInFlight];
        each_pixel(
            layout, block, thread, [&](int i, int64_t pixel) { loaded[i] = derived.read(at(pixel)); },
            [&](int i, int64_t pixel) { derived.add(at(pixel), loaded[i], origin, first, second); });
      }
      for (int i = 0; i < kSize; ++i) {
        Sums::give(shared, thread, i) = first[i];
        Sums::give(shared, thread, kSize + i) = second[i];
      }
    } else if (phase == 1) {
      Sums::fold_rows(layout, thread, shared);
    } else {
      Sums::folded(layout, thread, shared, [&](int value, int lane, float sum) {
        const uint32_t pack = layout.pack(block, lane);
        if (pack >= layout.packs) return;
        partials[(static_cast<int64_t>(layout.part(block)) * 2 + value / kSize) * channels() +
                 static_cast<int64_t>(pack) * kSize + value % kSize] = sum;
      });
    }
  }

  REVIEWKD_BOTH void finish(int phase, uint32_t group, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    const int64_t first = static_cast<int64_t>(group) * layout.lanes * kSize;
    const int64_t left = channels() - first;
    const int count = static_cast<int>(smaller<int64_t>(layout.lanes * kSize, left));
    if (phase == 0) {
      PartSums::gather(2 * count, static_cast<int>(layout.parts), thread, sums, [&](int value, int part) {
        return partials + (2 * static_cast<int64_t>(part) + value / count) * channels() + first + value % count;
      });
    } else if (thread < count) {
      static_cast<const Derived*>(this)->finish_channel(first + thread, PartSums::total(2 * count, thread, sums),
                                                        PartSums::total(2 * count, count + thread, sums));
    }
  }
};

/// Moments about a channel's first value, which is close enough to the mean that squares do not cancel.
template <typename T>
struct BatchStatistics : ChannelSums<T, BatchStatistics<T>> {
  using Loaded = Words;

  ops::BatchNormStatistics call;

  REVIEWKD_BOTH const T* x() const { return static_cast<const T*>(call.x); }
  REVIEWKD_BOTH Pack<T> origin(int64_t channel) const { return load(x() + channel); }
  REVIEWKD_BOTH Loaded read(int64_t at) const { return load_words(x() + at); }

  REVIEWKD_BOTH void add(int64_t, const Loaded& loaded, const Pack<T>& origin, Pack<T>& sums, Pack<T>& squares) const {
    const Pack<T> value = unpacked<T>(loaded);
    for (int i = 0; i < Pack<T>::kSize; ++i) {
      const float distance = value[i] - origin[i];
      sums[i] += distance;
      squares[i] += distance * distance;
    }
  }

  REVIEWKD_BOTH void finish_channel(int64_t c, double sum, double squares) const {
    const double count = static_cast<double>(call.shape.pixels);
    const double distance = sum / count;
    const double mean = static_cast<double>(to_float(x()[c])) + distance;
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
    call.running_mean[c] = updated(call.running_mean[c], biased_mean);
    call.running_variance[c] = updated(call.running_variance[c], unbiased);
  }

  REVIEWKD_BOTH float updated(float running, double value) const {
    return static_cast<float>((1.0 - call.momentum) * static_cast<double>(running) + call.momentum * value);
  }
};

/// Up to kInFlight pixels of a pack of channels per thread, which reads the pack's scale and shift once.
template <typename T>
struct Normalize {
  static constexpr int kSize = Pack<T>::kSize;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  Layout layout;
  ops::Normalization call;

  int64_t blocks() const { return layout.blocks(); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const uint32_t pack = layout.pack(block, thread);
    if (pack >= layout.packs) return;
    const int64_t channel = static_cast<int64_t>(pack) * kSize;
    float scale[kSize], shift[kSize];
    for (int i = 0; i < kSize; ++i) {
      scale[i] = call.scale == nullptr ? 1.0f : call.scale[channel + i];
      shift[i] = call.shift[channel + i];
    }
    const auto at = [&](int64_t pixel) { return pixel * layout.packs * kSize + channel; };
    Words x[kInFlight], residual[kInFlight];
    each_pixel(
        layout, block, thread,
        [&](int i, int64_t pixel) {
          x[i] = load_words(static_cast<const T*>(call.x) + at(pixel));
          if (call.residual != nullptr) residual[i] = load_words(static_cast<const T*>(call.residual) + at(pixel));
        },
        [&](int i, int64_t pixel) {
          Pack<T> value = unpacked<T>(x[i]);
          for (int k = 0; k < kSize; ++k) value[k] = value[k] * scale[k] + shift[k];
          if (call.residual != nullptr) {
            const Pack<T> added = unpacked<T>(residual[i]);
            for (int k = 0; k < kSize; ++k) value[k] += added[k];
          }
          if (call.out != nullptr) store(static_cast<T*>(call.out) + at(pixel), value);
          if (call.active == nullptr) return;
          // Keeps NaN, as at::relu does.
          for (int k = 0; k < kSize; ++k) value[k] = value[k] < 0.0f ? 0.0f : value[k];
          store(static_cast<T*>(call.active) + at(pixel), value);
        });
  }
};

/// A pack of the gradient of a normalization's result, as stored in memory.
struct GradientWords {
  Words gradient, other, active, x;
};

/// Reads `gradient` + `other_gradient` where `active` is above zero.
template <typename T>
struct MaskedGradient {
  const ops::BatchNormGradient& call;

  REVIEWKD_BOTH GradientWords read(int64_t at) const {
    GradientWords words{};
    words.gradient = load_words(static_cast<const T*>(call.gradient) + at);
    if (call.other_gradient != nullptr) words.other = load_words(static_cast<const T*>(call.other_gradient) + at);
    if (call.active != nullptr) words.active = load_words(static_cast<const T*>(call.active) + at);
    words.x = load_words(static_cast<const T*>(call.x) + at);
    return words;
  }

  REVIEWKD_BOTH Pack<T> gradient(const GradientWords& words) const {
    Pack<T> result = unpacked<T>(words.gradient);
    if (call.other_gradient != nullptr) {
      const Pack<T> other = unpacked<T>(words.other);
      // Rounded like a map that stores the sum.
      for (int i = 0; i < Pack<T>::kSize; ++i) result[i] = to_float(from_float<T>(result[i] + other[i]));
    }
    if (call.active != nullptr) {
      const Pack<T> active = unpacked<T>(words.active);
      for (int i = 0; i < Pack<T>::kSize; ++i) result[i] = active[i] > 0.0f ? result[i] : 0.0f;
    }
    return result;
  }
};

/// Σ g and Σ g · (x - mean), and the resulting factors: the gradient of the normalization's input is a · g + b · (x -
/// mean) + k, with factors [a, b, k] per channel.
template <typename T>
struct ReduceGradient : ChannelSums<T, ReduceGradient<T>> {
  using Loaded = GradientWords;

  ops::BatchNormGradient call;

  REVIEWKD_BOTH Pack<T> origin(int64_t channel) const {
    Pack<T> mean;
    for (int i = 0; i < Pack<T>::kSize; ++i) mean[i] = call.mean[channel + i];
    return mean;
  }

  REVIEWKD_BOTH Loaded read(int64_t at) const { return MaskedGradient<T>{call}.read(at); }

  REVIEWKD_BOTH void add(int64_t at, const Loaded& loaded, const Pack<T>& mean, Pack<T>& sums,
                         Pack<T>& products) const {
    const Pack<T> g = MaskedGradient<T>{call}.gradient(loaded);
    const Pack<T> value = unpacked<T>(loaded.x);
    for (int i = 0; i < Pack<T>::kSize; ++i) {
      sums[i] += g[i];
      products[i] += g[i] * (value[i] - mean[i]);
    }
    if (call.masked != nullptr) store(static_cast<T*>(call.masked) + at, g);
  }

  REVIEWKD_BOTH void finish_channel(int64_t c, double sum, double product) const {
    const int64_t channels = call.shape.channels;
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
  static constexpr int kSize = Pack<T>::kSize;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  Layout layout;
  /// Replaces the gradients by the masked gradient computed from them, if there is one.
  ops::BatchNormGradient call;

  int64_t blocks() const { return layout.blocks(); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const uint32_t pack = layout.pack(block, thread);
    if (pack >= layout.packs) return;
    const int64_t channels = call.shape.channels;
    const int64_t channel = static_cast<int64_t>(pack) * kSize;
    float a[kSize], b[kSize], k[kSize], mean[kSize];
    for (int i = 0; i < kSize; ++i) {
      a[i] = call.factors[channel + i];
      b[i] = call.factors[channels + channel + i];
      k[i] = call.factors[2 * channels + channel + i];
      mean[i] = call.mean[channel + i];
    }
    const auto at = [&](int64_t pixel) { return pixel * channels + channel; };
    const MaskedGradient<T> source{call};
    GradientWords loaded[kInFlight];
    each_pixel(
        layout, block, thread, [&](int i, int64_t pixel) { loaded[i] = source.read(at(pixel)); },
        [&](int i, int64_t pixel) {
          const Pack<T> g = source.gradient(loaded[i]);
          const Pack<T> value = unpacked<T>(loaded[i].x);
          Pack<T> out;
          for (int j = 0; j < kSize; ++j) out[j] = a[j] * g[j] + (b[j] * (value[j] - mean[j]) + k[j]);
          store(static_cast<T*>(call.x_gradient) + at(pixel), out);
        });
  }
};

}  // namespace reviewkd::cuda
