// The reference of roi_align.h: PyTorch sums rows of a table of pixels, with weights, and differentiates the sum.

#include <ATen/ATen.h>

#include "core/base/numeric.h"
#include "core/ops/roi_align/checks.h"
#include "core/ops/roi_align/roi_align.h"
#include "core/ops/roi_align/roi_taps.h"

namespace reviewkd::ops {
namespace {

/// Terms of the sums: rows of the table, weights, and the first term of each bin.
template <typename T>
struct WeightedRows {
  std::vector<int64_t> rows, first;
  std::vector<T> weights;
};

struct TableRegion {
  int64_t offset, height, width;  // offset: of the first pixel of its image in the table
};

template <typename T>
void add_region(const T* roi, const TableRegion& region, double scale, const RoiAlignOptions& options,
                WeightedRows<T>& terms) {
  RoiTaps<T> rows, columns;
  rows.find(roi[2], roi[4], options.height, region.height, scale, options);
  columns.find(roi[1], roi[3], options.width, region.width, scale, options);
  for (int64_t y = 0; y < options.height; ++y) {
    for (int64_t x = 0; x < options.width; ++x) {
      terms.first.push_back(static_cast<int64_t>(terms.rows.size()));
      for (int64_t r = rows.ends[y]; r < rows.ends[y + 1]; ++r) {
        for (int64_t c = columns.ends[x]; c < columns.ends[x + 1]; ++c) {
          terms.rows.push_back(region.offset + rows.taps[r].pixel * region.width + columns.taps[c].pixel);
          terms.weights.push_back(rows.taps[r].weight * columns.taps[c].weight);
        }
      }
    }
  }
}

template <typename T>
at::Tensor pool_by_table(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                         const std::vector<double>& scales, const RoiAlignOptions& options) {
  const int64_t channels = maps[0].size(1);
  std::vector<at::Tensor> pixels;
  std::vector<int64_t> first_pixel = {0};
  for (const at::Tensor& map : maps) {
    pixels.push_back(map.to(rois.scalar_type()).permute({0, 2, 3, 1}).reshape({-1, channels}));  // [N · H · W, C]
    first_pixel.push_back(first_pixel.back() + pixels.back().size(0));
  }
  const at::Tensor table = at::cat(pixels);
  const auto regions = rois.accessor<T, 2>();
  const auto level_of = levels.accessor<int64_t, 1>();
  // A few regions at a time: a region may cover its whole map.
  constexpr int64_t kMostTerms = 1 << 22;
  std::vector<at::Tensor> bins = {table.narrow(0, 0, 0)};
  WeightedRows<T> terms;
  const auto sum_terms = [&] {
    const auto tensor = [&](const auto& values, at::ScalarType type) {
      return at::tensor(values, at::TensorOptions(type)).to(table.device());
    };
    bins.push_back(std::get<0>(at::embedding_bag(table, tensor(terms.rows, at::kLong), tensor(terms.first, at::kLong),
                                                 false, 0, false, tensor(terms.weights, rois.scalar_type()))));
    terms = {};
  };
  for (int64_t k = 0; k < rois.size(0); ++k) {
    const at::Tensor& map = maps[level_of[k]];
    const int64_t image = static_cast<int64_t>(regions[k][0]);
    const TableRegion region{first_pixel[level_of[k]] + image * map.size(2) * map.size(3), map.size(2), map.size(3)};
    add_region(regions[k].data(), region, scales[level_of[k]], options, terms);
    if (static_cast<int64_t>(terms.rows.size()) > kMostTerms) sum_terms();
  }
  if (!terms.first.empty()) sum_terms();
  return at::cat(bins).view({rois.size(0), options.height, options.width, channels}).permute({0, 3, 1, 2});
}

}  // namespace

at::Tensor multiscale_roi_align_reference(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                          const at::Tensor& levels, const std::vector<double>& scales,
                                          const RoiAlignOptions& options) {
  const bool is_double = maps[0].scalar_type() == at::kDouble;
  const at::Tensor regions = rois.detach().to(at::kCPU, is_double ? at::kDouble : at::kFloat).contiguous();
  const at::Tensor level_of = levels.cpu();
  require_existing_rois(regions, level_of, maps[0].size(0), static_cast<int64_t>(maps.size()));
  const at::Tensor result = is_double ? pool_by_table<double>(maps, regions, level_of, scales, options)
                                      : pool_by_table<float>(maps, regions, level_of, scales, options);
  return result.to(maps[0].scalar_type());
}

}  // namespace reviewkd::ops
