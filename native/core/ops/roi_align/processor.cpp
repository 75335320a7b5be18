#include "core/ops/roi_align/processor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "core/ops/backend/autograd_function.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/roi_align/roi_taps.h"
#include "core/ops/roi_align/saved_options.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Channels of a bin one after the other: for float64, and for channels that fill no vector.
template <typename T, typename Work>
void each_weight(const RoiBins<T>& bins, int64_t y, int64_t x, const Work& work) {
  for (int64_t r = bins.row_ends[y]; r < bins.row_ends[y + 1]; ++r) {
    for (int64_t c = bins.column_ends[x]; c < bins.column_ends[x + 1]; ++c) {
      work((bins.rows[r].pixel * bins.map_width + bins.columns[c].pixel) * bins.channels,
           bins.rows[r].weight * bins.columns[c].weight);
    }
  }
}

template <typename T>
void pool_plainly(const RoiBins<T>& bins, const T* map, T* out) {
  for (int64_t y = 0; y < bins.height; ++y) {
    for (int64_t x = 0; x < bins.width; ++x, out += bins.channels) {
      std::fill_n(out, bins.channels, T{0});
      each_weight(bins, y, x, [&](int64_t offset, T weight) {
        for (int64_t c = 0; c < bins.channels; ++c) out[c] += map[offset + c] * weight;
      });
    }
  }
}

template <typename T>
void add_gradient_plainly(const RoiBins<T>& bins, const T* gradient, int64_t first, int64_t last, T* sums) {
  for (int64_t y = 0; y < bins.height; ++y) {
    for (int64_t x = 0; x < bins.width; ++x, gradient += bins.channels) {
      each_weight(bins, y, x, [&](int64_t offset, T weight) {
        for (int64_t c = first; c < last; ++c) sums[offset + c] += gradient[c] * weight;
      });
    }
  }
}

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

  /// The regions by map, image and place: what one reads lies in the cache for the next.
  std::vector<int64_t> by_place() const {
    constexpr double kBand = 8;  // pixels of a map
    std::vector<std::array<int64_t, 4>> places(count_);
    std::vector<int64_t> order(count_);
    for (int64_t k = 0; k < count_; ++k) {
      const auto middle = [&](int64_t axis, double pixels) {
        const double position = static_cast<double>(rois_[5 * k + axis]) + static_cast<double>(rois_[5 * k + axis + 2]);
        const double place = position / 2 * saved_.scales[level(k)] / pixels;
        return std::abs(place) <= kFarthestRoi ? static_cast<int64_t>(place) : 0;
      };
      places[k] = {level(k), image(k), middle(2, kBand), middle(1, 1)};
      order[k] = k;
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return places[a] < places[b]; });
    return order;
  }

 private:
  const int64_t count_;
  const T* rois_;
  const int64_t* levels_;
  const SavedRoiAlign& saved_;
};

const RoiAlignKernels* vectors_for(at::ScalarType type, int64_t channels) {
  return map_kernels(type) != nullptr && channels % kLanes == 0 ? &map_kernels(type)->roi_align : nullptr;
}

/// maps and result in channels-last order and, without vectors, of type T.
template <typename T>
void pool_regions(const Regions<T>& regions, const std::vector<at::Tensor>& maps, const at::Tensor& result) {
  std::vector<NhwcView> views;
  for (const at::Tensor& map : maps) views.emplace_back(map);
  const NhwcView results(result);
  const RoiAlignKernels* const vectors = vectors_for(result.scalar_type(), result.size(1));
  const std::vector<int64_t> order = regions.by_place();
  parallel_for_ranges(regions.count(), [&](int64_t first, int64_t last, int64_t) {
    typename Regions<T>::Taps taps;
    for (int64_t i = first; i < last; ++i) {
      const int64_t k = order[i];
      regions.find(k, taps);
      const RoiBins<T> bins = regions.bins(k, taps);
      const char* const map = views[regions.level(k)][regions.image(k)];
      if constexpr (std::is_same_v<T, float>) {
        if (vectors != nullptr) {
          vectors->pool(bins, map, results[k]);
          continue;
        }
      }
      pool_plainly(bins, reinterpret_cast<const T*>(map), reinterpret_cast<T*>(results[k]));
    }
  });
}

/// Each thread adds all regions, in one order, to channels of its own, so that the sums do not depend on the number of
/// threads.
template <typename T>
void add_gradients(const Regions<T>& regions, const at::Tensor& gradient, const std::vector<at::Tensor>& sums) {
  std::vector<NhwcView> views;
  for (const at::Tensor& sum : sums) views.emplace_back(sum);
  const NhwcView gradients(gradient);
  const int64_t channels = gradient.size(1);
  const std::vector<int64_t> order = regions.by_place();
  const RoiAlignKernels* const vectors = vectors_for(gradient.scalar_type(), channels);
  std::vector<typename Regions<T>::Taps> taps(regions.count());
  parallel_for_ranges(regions.count(), [&](int64_t first, int64_t last, int64_t) {
    for (int64_t k = first; k < last; ++k) regions.find(k, taps[k]);
  });
  parallel_for_ranges((channels + kLanes - 1) / kLanes, [&](int64_t first, int64_t last, int64_t) {
    const int64_t first_channel = first * kLanes, last_channel = std::min(last * kLanes, channels);
    for (const int64_t k : order) {
      T* const sum = reinterpret_cast<T*>(views[regions.level(k)][regions.image(k)]);
      const RoiBins<T> bins = regions.bins(k, taps[k]);
      if constexpr (std::is_same_v<T, float>) {
        if (vectors != nullptr) {
          vectors->add_gradient(bins, gradients[k], first_channel, last_channel, sum);
          continue;
        }
      }
      add_gradient_plainly(bins, reinterpret_cast<const T*>(gradients[k]), first_channel, last_channel, sum);
    }
  });
}

/// The type that maps are read in: their own, if there are loops for it.
at::ScalarType pooled_type(const at::Tensor& map) {
  const at::ScalarType type = map.scalar_type();
  return type == at::kDouble || vectors_for(type, map.size(1)) != nullptr ? type : at::kFloat;
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(RoiAlignFunction) {
 public:
  static Variable forward(AutogradContext* context, at::TensorList maps, const at::Tensor& rois_in,
                          const at::Tensor& levels_in, const std::vector<double>& scales,
                          const RoiAlignOptions& options) {
    const SavedRoiAlign saved = SavedRoiAlign::of(maps, scales, options, pooled_type(maps[0]));
    const bool is_double = saved.type == at::kDouble;
    // Copies: the gradient reads memory by their values, which nothing may change after they were checked.
    const at::Tensor rois = rois_in.to(is_double ? at::kDouble : at::kFloat).clone(at::MemoryFormat::Contiguous);
    const at::Tensor levels = levels_in.clone(at::MemoryFormat::Contiguous);
    std::vector<at::Tensor> ordered;
    for (const at::Tensor& map : maps) ordered.push_back(in_order(map, saved.type));
    const at::Tensor result = at::empty({rois.size(0), saved.channels(), options.height, options.width},
                                        maps[0].options().dtype(saved.type), at::MemoryFormat::ChannelsLast);
    if (is_double) pool_regions(Regions<double>(rois, levels, saved), ordered, result);
    else pool_regions(Regions<float>(rois, levels, saved), ordered, result);
    context->save_for_backward({rois, levels});
    saved.save(context);
    return result.to(saved.map_type);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list tensors = context->get_saved_variables();
    const SavedRoiAlign saved = SavedRoiAlign::load(context);
    const bool is_double = saved.type == at::kDouble;
    const at::Tensor gradient = in_order(gradients[0], saved.type);
    std::vector<at::Tensor> sums;
    // Sums of many regions need the digits of float32.
    const at::TensorOptions sum_type(is_double ? at::kDouble : at::kFloat);
    for (const auto& sizes : saved.sizes)
      sums.push_back(at::empty(sizes, sum_type, at::MemoryFormat::ChannelsLast).zero_());
    if (is_double) add_gradients(Regions<double>(tensors[0], tensors[1], saved), gradient, sums);
    else add_gradients(Regions<float>(tensors[0], tensors[1], saved), gradient, sums);
    variable_list result;
    for (const at::Tensor& sum : sums) result.push_back(sum.to(saved.map_type));
    result.resize(sums.size() + 4);  // regions, levels, scales and options have none
    return result;
  }
};

at::Tensor roi_align_on_processor(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                                  const std::vector<double>& scales, const RoiAlignOptions& options) {
  return RoiAlignFunction::apply(at::TensorList(maps), rois.detach(), levels, scales, options);
}

}  // namespace reviewkd::ops
