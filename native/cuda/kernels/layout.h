#pragma once
// Distribution of threads over maps [pixels, channels], and sums over pixels: within a block, then over blocks.

#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// Maximum number of blocks that share the sums of a channel group, two per multiprocessor of a large device: one
/// block sums their results.
constexpr int64_t kMostParts = 264;

/// Layout of a block's threads over [pixels, channels]: `lanes` neighbours read neighbouring packs of a pixel, at
/// most 128 bytes, and `rows` pixels are read at once. The pixels are divided into `parts`, the packs into `groups`,
/// and each block processes one of each.
struct Layout {
  static constexpr int kMostLanes = 8;

  int64_t pixels;
  uint32_t packs, parts, groups;
  int lanes, rows;

  /// For sums. pixels_at_once: minimum number of pixels that a thread reads if there is more than one part.
  static Layout of(int64_t pixels, int64_t packs, int64_t pixels_at_once = kInFlight) {
    Layout layout = over(pixels, packs, pixels_at_once);
    if (layout.parts > kMostParts) layout.parts = kMostParts;
    return layout;
  }

  /// Without sums: each thread has at most pixels_at_once pixels.
  static Layout over(int64_t pixels, int64_t packs, int64_t pixels_at_once = kInFlight) {
    Layout layout{pixels, static_cast<uint32_t>(packs), 1, 1, 1, 1};
    while (layout.lanes < packs && layout.lanes < kMostLanes) layout.lanes *= 2;
    layout.rows = kBlockThreads / layout.lanes;
    layout.groups = static_cast<uint32_t>(ceil_div(packs, layout.lanes));
    layout.parts = static_cast<uint32_t>(ceil_div(pixels, layout.rows * pixels_at_once));
    return layout;
  }

  int64_t blocks() const { return static_cast<int64_t>(parts) * groups; }
  REVIEWKD_BOTH uint32_t group(int64_t block) const { return static_cast<uint32_t>(block) % groups; }
  REVIEWKD_BOTH uint32_t part(int64_t block) const { return static_cast<uint32_t>(block) / groups; }
  /// The thread's pack of channels; `packs` or greater if it has none.
  REVIEWKD_BOTH uint32_t pack(int64_t block, int thread) const { return pack_of_group(group(block), thread); }
  REVIEWKD_BOTH uint32_t pack_of_group(uint32_t group, int thread) const {
    return group * static_cast<uint32_t>(lanes) + static_cast<uint32_t>(thread % lanes);
  }
  REVIEWKD_BOTH int64_t first_pixel(int64_t block, int thread) const {
    return static_cast<int64_t>(part(block)) * rows + thread / lanes;
  }
  REVIEWKD_BOTH int64_t pixel_step() const { return static_cast<int64_t>(parts) * rows; }
};

/// Calls load(i, pixel) for up to kInFlight pixels of the thread, then use(i, pixel) for the same, until none is
/// left: several loads are in flight before the first value is needed.
template <typename Load, typename Use>
REVIEWKD_BOTH void each_pixel(const Layout& layout, int64_t block, int thread, const Load& load, const Use& use) {
  const int64_t step = layout.pixel_step();
  for (int64_t first = layout.first_pixel(block, thread); first < layout.pixels; first += kInFlight * step) {
    REVIEWKD_UNROLL
    for (int i = 0; i < kInFlight; ++i) {
      if (first + i * step < layout.pixels) load(i, first + i * step);
    }
    REVIEWKD_UNROLL
    for (int i = 0; i < kInFlight; ++i) {
      if (first + i * step < layout.pixels) use(i, first + i * step);
    }
  }
}

/// Sums kValues values per lane over the rows of a block. The values of a thread are kBlockThreads apart in `shared`,
/// so that neighbours use different banks. Call `give`, wait, `fold_rows`, wait, `folded`.
template <int kValues>
struct RowSums {
  static constexpr int kOutputs = kValues * Layout::kMostLanes;
  static constexpr int kShared = kValues * kBlockThreads + (kOutputs > kBlockThreads ? kOutputs : kBlockThreads);

  REVIEWKD_BOTH static float& give(float* shared, int thread, int value) {
    return shared[value * kBlockThreads + thread];
  }

  REVIEWKD_BOTH static int shares(const Layout& layout) {
    const int shares = kBlockThreads / (kValues * layout.lanes);
    return shares < 1 ? 1 : smaller(shares, layout.rows);
  }

  REVIEWKD_BOTH static void fold_rows(const Layout& layout, int thread, float* shared) {
    const int outputs = kValues * layout.lanes;
    const int step = shares(layout);
    for (int i = thread; i < outputs * step; i += kBlockThreads) {
      const float* from = shared + i % outputs / layout.lanes * kBlockThreads + i % layout.lanes;
      float sum = 0.0f;
      for (int row = i / outputs; row < layout.rows; row += step) sum += from[row * layout.lanes];
      shared[kValues * kBlockThreads + i] = sum;
    }
  }

  /// Calls take(value, lane, sum) for the thread's share of the outputs.
  template <typename Take>
  REVIEWKD_BOTH static void folded(const Layout& layout, int thread, const float* shared, const Take& take) {
    const int outputs = kValues * layout.lanes;
    for (int i = thread; i < outputs; i += kBlockThreads) {
      float sum = 0.0f;
      for (int share = 0; share < shares(layout); ++share) sum += shared[kValues * kBlockThreads + share * outputs + i];
      take(i / layout.lanes, i % layout.lanes, sum);
    }
  }
};

/// Sums `count` values over the parts of a group, in double, in the last block to finish: call `gather`, wait,
/// `total`.
struct PartSums {
  /// Number of doubles in shared memory.
  static constexpr int doubles(int most_values) { return most_values > kBlockThreads ? most_values : kBlockThreads; }
  REVIEWKD_BOTH static int shares(int count) { return count > kBlockThreads ? 1 : kBlockThreads / count; }

  /// from(value, part): the address of a partial result.
  template <typename From>
  REVIEWKD_BOTH static void gather(int count, int parts, int thread, double* sums, const From& from) {
    constexpr int kLoads = 8;
    const int step = shares(count);
    for (int i = thread; i < count * step; i += kBlockThreads) {
      const int value = i % count;
      double sum = 0.0;
      for (int first = i / count; first < parts; first += kLoads * step) {
        float loaded[kLoads];
        REVIEWKD_UNROLL
        for (int k = 0; k < kLoads; ++k)
          loaded[k] = first + k * step < parts ? load_fresh(from(value, first + k * step)) : 0.0f;
        REVIEWKD_UNROLL
        for (int k = 0; k < kLoads; ++k) sum += static_cast<double>(loaded[k]);
      }
      sums[i] = sum;
    }
  }

  REVIEWKD_BOTH static double total(int count, int value, const double* sums) {
    double sum = 0.0;
    REVIEWKD_UNROLL_BY_4
    for (int share = 0; share < shares(count); ++share) sum += sums[share * count + value];
    return sum;
  }
};

}  // namespace reviewkd::cuda
