#pragma once
// Averages over the bins of a region; see RoiAlignKernels. Included once per instruction set.

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// Calls work(offset of a pixel in the map, its weight) for each pixel of bin (y, x).
template <typename Work>
inline void each_tap(const RoiBins<float>& bins, int64_t y, int64_t x, const Work& work) {
  for (int64_t r = bins.row_ends[y]; r < bins.row_ends[y + 1]; ++r) {
    const int64_t row = bins.rows[r].pixel * bins.map_width;
    for (int64_t c = bins.column_ends[x]; c < bins.column_ends[x + 1]; ++c)
      work((row + bins.columns[c].pixel) * bins.channels, bins.rows[r].weight * bins.columns[c].weight);
  }
}

/// kVectors of channels of a bin.
template <int kVectors, typename T>
inline void pool_channels(const RoiBins<float>& bins, int64_t y, int64_t x, const T* map, T* out) {
  Floats sums[kVectors] = {};
  each_tap(bins, y, x, [&](int64_t offset, float weight) {
    for (int i = 0; i < kVectors; ++i) sums[i] += load(map + offset + i * kWidth) * weight;
  });
  for (int i = 0; i < kVectors; ++i) store(out + i * kWidth, sums[i]);
}

template <typename T>
void roi_pool(const RoiBins<float>& bins, const void* map_values, void* out_values) {
  constexpr int kVectors = 8;
  const T* const map = static_cast<const T*>(map_values);
  for (int64_t y = 0; y < bins.height; ++y) {
    for (int64_t x = 0; x < bins.width; ++x) {
      T* const out = static_cast<T*>(out_values) + (y * bins.width + x) * bins.channels;
      int64_t c = 0;
      for (; c + kVectors * kWidth <= bins.channels; c += kVectors * kWidth)
        pool_channels<kVectors>(bins, y, x, map + c, out + c);
      for (; c < bins.channels; c += kWidth) pool_channels<1>(bins, y, x, map + c, out + c);
    }
  }
}

template <typename T>
void add_roi_gradient(const RoiBins<float>& bins, const void* gradient_values, int64_t first, int64_t last,
                      float* sums) {
  for (int64_t y = 0; y < bins.height; ++y) {
    for (int64_t x = 0; x < bins.width; ++x) {
      const T* const gradient = static_cast<const T*>(gradient_values) + (y * bins.width + x) * bins.channels;
      each_tap(bins, y, x, [&](int64_t offset, float weight) {
        float* const sum = sums + offset;
        for (int64_t c = first; c < last; c += kWidth) store(sum + c, load(sum + c) + load(gradient + c) * weight);
      });
    }
  }
}

template <typename T>
constexpr RoiAlignKernels kRoiAlign = {&roi_pool<T>, &add_roi_gradient<T>};

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
