#pragma once
// The regions of a pooling on the CPU, and the passes over them: regions in parallel forward, channels in parallel
// backward.

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/ops/roi_align/roi_taps.h"
#include "core/ops/roi_align/saved_options.h"

namespace reviewkd::ops {

/// The regions with the rows and columns of their bins.
template <typename T>
class Regions {
 public:
  /// rois: of type T; both contiguous.
  Regions(const at::Tensor& rois, const at::Tensor& levels, const SavedRoiAlign& saved)
      : count_(rois.size(0)),
        rois_(rois.const_data_ptr<T>()),
        levels_(levels.const_data_ptr<int64_t>()),
        saved_(saved) {}

  struct Taps {
    RoiTaps<T> rows, columns;
  };

  int64_t count() const { return count_; }
  const RoiAlignOptions& options() const { return saved_.options; }
  int64_t level(int64_t k) const { return levels_[k]; }
  int64_t image(int64_t k) const { return static_cast<int64_t>(rois_[5 * k]); }

  void find(int64_t k, Taps& taps) const {
    const T* const roi = rois_ + 5 * k;
    const int64_t map = level(k);
    const RoiAlignOptions& options = saved_.options;
    taps.rows.find(roi[2], roi[4], options.height, saved_.height(map), saved_.scales[map], options);
    taps.columns.find(roi[1], roi[3], options.width, saved_.width(map), saved_.scales[map], options);
  }

  RoiBins<T> bins(int64_t k, const Taps& taps) const {
    RoiBins<T> bins{};
    bins.rows = taps.rows.taps.data();
    bins.columns = taps.columns.taps.data();
    bins.row_ends = taps.rows.ends.data();
    bins.column_ends = taps.columns.ends.data();
    bins.height = saved_.options.height;
    bins.width = saved_.options.width;
    bins.map_width = saved_.width(level(k));
    bins.channels = saved_.channels();
    return bins;
  }

  /// Regions first … last - 1 by map, image and place: what one reads lies in the cache for the next.
  std::vector<int64_t> by_place(int64_t first, int64_t last) const {
    constexpr double kBand = 8;  // pixels of a map
    std::vector<std::array<int64_t, 4>> places;
    std::vector<int64_t> order;
    for (int64_t k = first; k < last; ++k) {
      const auto middle = [&](int64_t axis, double pixels) {
        const double position = static_cast<double>(rois_[5 * k + axis]) + static_cast<double>(rois_[5 * k + axis + 2]);
        const double place = position / 2 * saved_.scales[level(k)] / pixels;
        return std::abs(place) <= kFarthestRoi ? static_cast<int64_t>(place) : 0;
      };
      places.push_back({level(k), image(k), middle(2, kBand), middle(1, 1)});
      order.push_back(k);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return places[a - first] < places[b - first]; });
    return order;
  }

 private:
  const int64_t count_;
  const T* rois_;
  const int64_t* levels_;
  const SavedRoiAlign& saved_;
};

/// The type that maps are read in for a result in this order: their own, if there are loops for it.
at::ScalarType pooled_type(const at::Tensor& map, at::MemoryFormat order);

/// maps: in channels-last order; without vectors, they and the result are of type T, and so is a contiguous result.
template <typename T>
void pool_regions(const Regions<T>& regions, const std::vector<at::Tensor>& maps, const at::Tensor& result);

/// Adds the gradient of the regions from `begin` on, as many as it has, to `sums`. Each thread adds all of them, in one
/// order, to channels of its own, so that the sums do not depend on the number of threads. A contiguous gradient is of
/// type T.
template <typename T>
void add_gradients(const Regions<T>& regions, int64_t begin, const at::Tensor& gradient,
                   const std::vector<at::Tensor>& sums);

}  // namespace reviewkd::ops
