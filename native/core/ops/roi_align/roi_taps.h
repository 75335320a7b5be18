#pragma once
// The pixels that bins of a region average. A sample at (y, x) weighs pixels by the product of a weight of the row and
// one of the column, so that the weights of all samples of a bin are products of two short lists as well.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/ops/backend/kernels.h"
#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::ops {

/// Regions beyond this are not sampled: integers must hold their positions.
constexpr double kFarthestRoi = 1073741824;

/// Rows or columns of a map with their weights in each bin of a region.
template <typename T>
struct RoiTaps {
  std::vector<RoiTap<T>> taps;
  std::vector<int64_t> ends;  // [bins + 1]: bin i has taps ends[i] … ends[i + 1] - 1

  /// low, high: the region along the axis, in pixels of the image.
  void find(T low, T high, int64_t bins, int64_t pixels, double scale, const RoiAlignOptions& options);

 private:
  void add_sample(T position, T weight, int64_t pixels, int64_t begin);
  void add(int64_t pixel, T weight, int64_t begin);
};

template <typename T>
void RoiTaps<T>::find(T low, T high, int64_t bins, int64_t pixels, double scale, const RoiAlignOptions& options) {
  taps.clear();
  ends.assign(bins + 1, 0);
  const T factor = static_cast<T>(scale), offset = static_cast<T>(options.aligned ? 0.5 : 0);
  const T start = low * factor - offset, end = high * factor - offset;
  if (!(std::abs(start) <= kFarthestRoi && std::abs(end) <= kFarthestRoi)) return;
  const T side = options.aligned ? end - start : std::max<T>(end - start, 1);
  const T bin = side / static_cast<T>(bins);
  const int64_t samples = options.sampling_ratio > 0 ? options.sampling_ratio : static_cast<int64_t>(std::ceil(bin));
  for (int64_t i = 0; i < bins; ++i) {
    const T origin = start + static_cast<T>(i) * bin;
    const int64_t begin = static_cast<int64_t>(taps.size());
    int64_t first = 0, last = samples;
    constexpr int64_t kManySamples = 16;
    if (options.sampling_ratio == 0 && samples > kManySamples) {
      // Only samples near the map, which the region may exceed by far; a few more at each end for rounding.
      const double step = static_cast<double>(bin) / static_cast<double>(samples);
      const double above = (-1 - static_cast<double>(origin)) / step;
      const double below = (static_cast<double>(pixels) - static_cast<double>(origin)) / step;
      first = std::max(first, static_cast<int64_t>(above) - 2);
      last = std::min(last, static_cast<int64_t>(below) + 3);
    }
    for (int64_t k = first; k < last; ++k) {
      const T position = origin + (static_cast<T>(k) + static_cast<T>(0.5)) * bin / static_cast<T>(samples);
      add_sample(position, 1 / static_cast<T>(samples), pixels, begin);
    }
    ends[i + 1] = static_cast<int64_t>(taps.size());
  }
}

template <typename T>
void RoiTaps<T>::add_sample(T position, T weight, int64_t pixels, int64_t begin) {
  if (!(position >= -1 && position <= static_cast<T>(pixels))) return;
  const T inside = std::max<T>(position, 0);
  const int64_t pixel = std::min(static_cast<int64_t>(inside), pixels - 1);
  const T rest = pixel == pixels - 1 ? 0 : inside - static_cast<T>(pixel);
  add(pixel, (1 - rest) * weight, begin);
  if (rest > 0) add(pixel + 1, rest * weight, begin);
}

/// Samples of a bin come in order, so that an equal pixel is one of the last two.
template <typename T>
void RoiTaps<T>::add(int64_t pixel, T weight, int64_t begin) {
  const int64_t count = static_cast<int64_t>(taps.size());
  for (int64_t i = count - 1; i >= std::max(begin, count - 2); --i) {
    if (taps[i].pixel != pixel) continue;
    taps[i].weight += weight;
    return;
  }
  taps.push_back({pixel, weight});
}

}  // namespace reviewkd::ops
