#pragma once
// Averages of maps over the bins of regions, and their gradient; see RoiPooling in kernel_backend.h and roi_align.h.

#include <cmath>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// The samples of a region along one axis.
struct RoiAxis {
  float start, bin;
  int64_t bins, pixels, samples;  // samples: of a bin

  REVIEWKD_BOTH static RoiAxis of(float low, float high, int64_t bins, int64_t pixels, float scale,
                                  const ops::RoiPooling& call) {
    // kFarthestRoi of core/ops/roi_align/roi_taps.h; NaN is not within either.
    constexpr float kFarthest = 1073741824.0f;
    const float offset = call.aligned ? 0.5f : 0.0f;
    const float start = low * scale - offset;
    const float end = high * scale - offset;
    if (!(fabsf(start) <= kFarthest && fabsf(end) <= kFarthest)) return {0.0f, 0.0f, bins, pixels, 0};
    const float side = end - start;
    const float bin = (call.aligned || side > 1.0f ? side : 1.0f) / static_cast<float>(bins);
    const int64_t samples = call.sampling_ratio > 0 ? call.sampling_ratio : static_cast<int64_t>(ceilf(bin));
    return {start, bin, bins, pixels, samples};
  }

  /// Calls work(pixel, weight) for the pixels that the samples of a bin lie between, of those samples that may lie
  /// from position `from` to `to`.
  template <typename Work>
  REVIEWKD_BOTH void each_tap(int64_t index, float from, float to, const Work& work) const {
    constexpr int64_t kManySamples = 16;
    const float origin = start + static_cast<float>(index) * bin;
    int64_t first = 0;
    int64_t last = samples;
    if (samples > kManySamples && bin > 0.0f) {
      // A region may exceed the map by far; a few more at each end for rounding.
      const double step = static_cast<double>(bin) / static_cast<double>(samples);
      const double above = (static_cast<double>(from) - static_cast<double>(origin)) / step;
      const double below = (static_cast<double>(to) - static_cast<double>(origin)) / step;
      if (above > 2.0) first = static_cast<int64_t>(above) - 2;
      if (below < static_cast<double>(samples) - 3.0) last = static_cast<int64_t>(below) + 3;
    }
    const float share = 1.0f / static_cast<float>(samples);
    for (int64_t k = first; k < last; ++k) {
      const float position = origin + (static_cast<float>(k) + 0.5f) * bin / static_cast<float>(samples);
      if (!(position >= -1.0f && position <= static_cast<float>(pixels))) continue;
      const float inside = position > 0.0f ? position : 0.0f;
      const int64_t pixel = smaller(static_cast<int64_t>(inside), pixels - 1);
      const float rest = pixel == pixels - 1 ? 0.0f : inside - static_cast<float>(pixel);
      work(pixel, (1.0f - rest) * share);
      if (rest > 0.0f) work(pixel + 1, rest * share);
    }
  }

  /// The weight of a pixel in a bin.
  REVIEWKD_BOTH float weight(int64_t index, int64_t pixel) const {
    float sum = 0.0f;
    const float at = static_cast<float>(pixel);
    each_tap(index, at - 1.0f, at + 1.0f, [&](int64_t tap, float share) {
      if (tap == pixel) sum += share;
    });
    return sum;
  }

  /// The bins in which a pixel may have weight: first … last - 1.
  REVIEWKD_BOTH void bins_of(int64_t pixel, int64_t& first, int64_t& last) const {
    first = 0;
    last = samples > 0 ? bins : 0;
    if (!(bin > 0.0f)) return;
    const float above = (static_cast<float>(pixel) - 1.0f - start) / bin - 1.0f;
    const float below = (static_cast<float>(pixel) + 1.0f - start) / bin + 2.0f;
    const float most = static_cast<float>(last);
    if (above > 0.0f) first = above < most ? static_cast<int64_t>(above) : last;
    if (below < most) last = below > 0.0f ? static_cast<int64_t>(below) : 0;
  }
};

/// A region with its axes.
struct PooledRegion {
  int64_t level, image;
  RoiAxis rows, columns;

  /// Whether region k lies on one of the images and maps.
  REVIEWKD_BOTH static bool exists(const ops::RoiPooling& call, int64_t k) {
    const float image = call.rois[5 * k];
    return call.level_of[k] >= 0 && call.level_of[k] < call.levels && image >= 0.0f &&
           image < static_cast<float>(call.images);
  }

  /// Of a region that exists.
  REVIEWKD_BOTH static PooledRegion of(const ops::RoiPooling& call, int64_t k) {
    const float* roi = call.rois + 5 * k;
    const int64_t level = call.level_of[k];
    const ops::RoiPooling::Level& map = call.level[level];
    return {level, static_cast<int64_t>(roi[0]), RoiAxis::of(roi[2], roi[4], call.height, map.height, map.scale, call),
            RoiAxis::of(roi[1], roi[3], call.width, map.width, map.scale, call)};
  }
};

/// A pack of channels of a bin per thread.
template <typename T>
struct PoolRois {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;
  static constexpr int kSize = Pack<T>::kSize;

  ops::RoiPooling call;

  REVIEWKD_BOTH int64_t packs() const { return call.channels / kSize; }
  REVIEWKD_BOTH int64_t threads() const { return call.count * call.height * call.width * packs(); }
  int64_t blocks() const { return ceil_div(threads(), kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t index = block * kThreads + thread;
    if (index >= threads()) return;
    const int64_t bin = index / packs();
    const int64_t k = bin / (call.height * call.width);
    Pack<T> sum{};
    if (PooledRegion::exists(call, k)) {
      const PooledRegion region = PooledRegion::of(call, k);
      const int64_t y = bin / call.width % call.height;
      add_bin(region, y, bin % call.width, index % packs() * kSize, sum);
    }
    store(static_cast<T*>(call.out) + index * kSize, sum);
  }

  REVIEWKD_BOTH void add_bin(const PooledRegion& region, int64_t y, int64_t x, int64_t channel, Pack<T>& sum) const {
    const int64_t height = region.rows.pixels;
    const int64_t width = region.columns.pixels;
    const T* map = static_cast<const T*>(call.level[region.level].map) + channel;
    region.rows.each_tap(y, -1.0f, static_cast<float>(height), [&](int64_t row, float row_weight) {
      region.columns.each_tap(x, -1.0f, static_cast<float>(width), [&](int64_t column, float column_weight) {
        const int64_t pixel = (region.image * height + row) * width + column;
        const Pack<T> values = load(map + pixel * call.channels);
        for (int i = 0; i < kSize; ++i) sum[i] += values[i] * (row_weight * column_weight);
      });
    });
  }
};

/// A pack of channels of a pixel of a map per thread, which looks for the bins that contain it, region by region: sums
/// have an order, and nothing is added by atomic operations.
template <typename T>
struct PoolRoisGradient {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;
  static constexpr int kSize = Pack<T>::kSize;

  ops::RoiPooling call;
  int64_t level;

  REVIEWKD_BOTH int64_t packs() const { return call.channels / kSize; }
  REVIEWKD_BOTH int64_t threads() const {
    return call.images * call.level[level].height * call.level[level].width * packs();
  }
  int64_t blocks() const { return ceil_div(threads(), kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t index = block * kThreads + thread;
    if (index >= threads()) return;
    const int64_t pixel = index / packs();
    const int64_t width = call.level[level].width;
    const int64_t height = call.level[level].height;
    const int64_t image = pixel / (height * width);
    Pack<T> sum{};
    for (int64_t k = 0; k < call.count; ++k) {
      if (call.level_of[k] != level || !PooledRegion::exists(call, k) ||
          static_cast<int64_t>(call.rois[5 * k]) != image) {
        continue;
      }
      add_region(k, pixel / width % height, pixel % width, index % packs() * kSize, sum);
    }
    store(static_cast<T*>(call.level[level].gradient) + index * kSize, sum);
  }

  REVIEWKD_BOTH void add_region(int64_t k, int64_t row, int64_t column, int64_t channel, Pack<T>& sum) const {
    const PooledRegion region = PooledRegion::of(call, k);
    int64_t first_y, last_y, first_x, last_x;
    region.rows.bins_of(row, first_y, last_y);
    region.columns.bins_of(column, first_x, last_x);
    const T* gradient = static_cast<const T*>(call.out_gradient) + k * call.height * call.width * call.channels;
    for (int64_t y = first_y; y < last_y && first_x < last_x; ++y) {
      const float row_weight = region.rows.weight(y, row);
      if (row_weight == 0.0f) continue;
      for (int64_t x = first_x; x < last_x; ++x) {
        const float weight = row_weight * region.columns.weight(x, column);
        if (weight == 0.0f) continue;
        const Pack<T> values = load(gradient + (y * call.width + x) * call.channels + channel);
        for (int i = 0; i < kSize; ++i) sum[i] += values[i] * weight;
      }
    }
  }
};

}  // namespace reviewkd::cuda
