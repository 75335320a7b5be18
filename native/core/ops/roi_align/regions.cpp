#include "core/ops/roi_align/regions.h"

#include <ATen/ATen.h>

#include <type_traits>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/backend/scratch/scratch.h"

namespace reviewkd::ops {
namespace {

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

/// Calls move(index in [bins, C], index in [C, bins]) for the channels first … last - 1 of a region's values. Blocks of
/// channels, a cache line of a bin, stay in the core's cache.
template <typename Move>
void each_value(int64_t bins, int64_t channels, int64_t first, int64_t last, const Move& move) {
  constexpr int64_t kBlock = 16;
  for (int64_t block = first; block < last; block += kBlock) {
    const int64_t end = std::min(last, block + kBlock);
    for (int64_t bin = 0; bin < bins; ++bin) {
      for (int64_t c = block; c < end; ++c) move(bin * channels + c, c * bins + bin);
    }
  }
}

const RoiAlignKernels* vectors_for(at::ScalarType type, int64_t channels) {
  return map_kernels(type) != nullptr && channels % kLanes == 0 ? &map_kernels(type)->roi_align : nullptr;
}

}  // namespace

at::ScalarType pooled_type(const at::Tensor& map, at::MemoryFormat order) {
  const at::ScalarType type = map.scalar_type();
  if (type == at::kDouble) return type;
  return order == at::MemoryFormat::ChannelsLast && vectors_for(type, map.size(1)) != nullptr ? type : at::kFloat;
}

template <typename T>
void pool_regions(const Regions<T>& regions, const std::vector<at::Tensor>& maps, const at::Tensor& result) {
  std::vector<NhwcView> views;
  views.reserve(maps.size());
  for (const at::Tensor& map : maps) views.emplace_back(map);
  const NhwcView results(result);
  const RoiAlignKernels* const vectors = vectors_for(result.scalar_type(), result.size(1));
  const bool is_channels_last = result.is_contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t channels = result.size(1), count = result.size(2) * result.size(3);
  const std::vector<int64_t> order = regions.by_place(0, regions.count());
  const auto pool = [&](const RoiBins<T>& bins, const char* map, void* to) {
    if constexpr (std::is_same_v<T, float>) {
      if (vectors != nullptr) return vectors->pool(bins, map, to);
    }
    pool_plainly(bins, reinterpret_cast<const T*>(map), static_cast<T*>(to));
  };
  parallel_for_ranges(regions.count(), [&](int64_t first, int64_t last, int64_t) {
    typename Regions<T>::Taps taps;
    ScratchScope scratch;
    T* const pooled = is_channels_last ? nullptr : scratch.take<T>(count * channels).data();
    for (int64_t i = first; i < last; ++i) {
      const int64_t k = order[i];
      regions.find(k, taps);
      char* const to = results[k];
      pool(regions.bins(k, taps), views[regions.level(k)][regions.image(k)],
           is_channels_last ? static_cast<void*>(to) : pooled);
      if (is_channels_last) continue;
      each_value(count, channels, 0, channels, [&](int64_t in_bins, int64_t in_channels) {
        reinterpret_cast<T*>(to)[in_channels] = pooled[in_bins];
      });
    }
  });
}

template <typename T>
void add_gradients(const Regions<T>& regions, int64_t begin, const at::Tensor& gradient,
                   const std::vector<at::Tensor>& sums) {
  std::vector<NhwcView> views;
  views.reserve(sums.size());
  for (const at::Tensor& sum : sums) views.emplace_back(sum);
  const NhwcView gradients(gradient);
  const bool is_channels_last = gradient.is_contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t channels = gradient.size(1), count = gradient.size(2) * gradient.size(3);
  const std::vector<int64_t> order = regions.by_place(begin, begin + gradient.size(0));
  const RoiAlignKernels* const vectors = vectors_for(gradient.scalar_type(), channels);
  std::vector<typename Regions<T>::Taps> taps(gradient.size(0));
  parallel_for_ranges(gradient.size(0), [&](int64_t first, int64_t last, int64_t) {
    for (int64_t i = first; i < last; ++i) regions.find(begin + i, taps[i]);
  });
  const auto add = [&](const RoiBins<T>& bins, const void* from, int64_t first, int64_t last, T* sum) {
    if constexpr (std::is_same_v<T, float>) {
      if (vectors != nullptr) return vectors->add_gradient(bins, from, first, last, sum);
    }
    add_gradient_plainly(bins, static_cast<const T*>(from), first, last, sum);
  };
  parallel_for_ranges((channels + kLanes - 1) / kLanes, [&](int64_t first, int64_t last, int64_t) {
    const int64_t first_channel = first * kLanes, last_channel = std::min(last * kLanes, channels);
    ScratchScope scratch;
    T* const by_bin = is_channels_last ? nullptr : scratch.take<T>(count * channels).data();
    for (const int64_t k : order) {
      const char* const from = gradients[k - begin];
      if (!is_channels_last) {
        each_value(count, channels, first_channel, last_channel, [&](int64_t in_bins, int64_t in_channels) {
          by_bin[in_bins] = reinterpret_cast<const T*>(from)[in_channels];
        });
      }
      add(regions.bins(k, taps[k - begin]), is_channels_last ? static_cast<const void*>(from) : by_bin, first_channel,
          last_channel, reinterpret_cast<T*>(views[regions.level(k)][regions.image(k)]));
    }
  });
}

template void pool_regions(const Regions<float>&, const std::vector<at::Tensor>&, const at::Tensor&);
template void pool_regions(const Regions<double>&, const std::vector<at::Tensor>&, const at::Tensor&);
template void add_gradients(const Regions<float>&, int64_t, const at::Tensor&, const std::vector<at::Tensor>&);
template void add_gradients(const Regions<double>&, int64_t, const at::Tensor&, const std::vector<at::Tensor>&);

}  // namespace reviewkd::ops
