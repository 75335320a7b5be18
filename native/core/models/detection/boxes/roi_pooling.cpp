#include "core/models/detection/boxes/roi_pooling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::detection {
namespace {

/// Regions of all images with the map of each.
struct LeveledRegions {
  std::vector<at::Tensor> maps;
  at::Tensor rois;    // [ΣK, 5]
  at::Tensor levels;  // [ΣK]
};

LeveledRegions leveled(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const std::vector<double>& scales,
                       const LevelOptions& options) {
  LeveledRegions result;
  // Coordinates need float32, and so do their samples.
  for (const at::Tensor& map : maps) result.maps.push_back(at_least_float32(map));
  result.rois = rois.to(result.maps.front().scalar_type());
  const auto min_level = static_cast<int64_t>(-std::log2(scales.front()));
  const auto max_level = static_cast<int64_t>(-std::log2(scales.back()));
  if (max_level - min_level + 1 != static_cast<int64_t>(maps.size())) {
    fail(ErrorCode::kShapeMismatch, "invalid pyramid: expected maps that halve from level to level, received ",
         maps.size(), " maps from stride ", 1 / scales.front(), " to ", 1 / scales.back(), ".");
  }
  result.levels = assign_levels(result.rois.narrow(1, 1, 4), min_level, max_level, options);
  return result;
}

ops::RoiAlignOptions align_options(const RoiPoolingOptions& options) {
  return {.height = options.height,
          .width = options.width,
          .spatial_scale = 1,
          .sampling_ratio = options.sampling_ratio,
          .aligned = options.aligned};
}

}  // namespace

LevelOptions LevelOptions::from(const Options& options) {
  LevelOptions levels;
  options.read("canonicalScale", levels.canonical_scale);
  options.read("canonicalLevel", levels.canonical_level);
  levels.epsilon = options.number("roiLevelEps");
  levels.epsilon_in_logarithm = options.boolean("roiLevelEpsInLog");
  return levels;
}

at::Tensor assign_levels(const at::Tensor& boxes, int64_t min_level, int64_t max_level, const LevelOptions& options) {
  at::Tensor ratio = ops::box_area(boxes).sqrt() / options.canonical_scale;  // [N]
  if (options.epsilon_in_logarithm) ratio = ratio + options.epsilon;
  at::Tensor level = ratio.log2() + options.canonical_level;
  if (!options.epsilon_in_logarithm) level = level + options.epsilon;
  return level.floor().clamp(min_level, max_level).to(at::kLong) - min_level;
}

std::vector<double> map_scales(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& images) {
  int64_t height = 0;
  for (const ImageSize& image : images) height = std::max(height, image.height);
  std::vector<double> scales;
  for (const auto& map : maps) {
    const double scale = static_cast<double>(map.size(2)) / static_cast<double>(height);
    scales.push_back(std::exp2(std::nearbyint(std::log2(scale))));
  }
  return scales;
}

at::Tensor regions_of(const std::vector<at::Tensor>& boxes) {
  std::vector<at::Tensor> rows;
  for (size_t image = 0; image < boxes.size(); ++image) {
    const at::Tensor index = at::full({boxes[image].size(0), 1}, static_cast<double>(image), boxes[image].options());
    rows.push_back(at::cat({index, boxes[image]}, 1));
  }
  return at::cat(rows);
}

at::Tensor regions_of(const at::Tensor& boxes) {
  const int64_t images = boxes.size(0), regions = boxes.size(1);
  const at::Tensor numbers = at::arange(images, boxes.options()).view({images, 1, 1}).expand({images, regions, 1});
  return at::cat({numbers, boxes}, 2).view({images * regions, 5});
}

at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const std::vector<double>& scales, const RoiPoolingOptions& options) {
  const LeveledRegions regions = leveled(maps, rois, scales, options.levels);
  return ops::multiscale_roi_align(regions.maps, regions.rois, regions.levels, scales, align_options(options));
}

ops::PooledLinear pooled_linear(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const std::vector<double>& scales, const RoiPoolingOptions& options,
                                const at::Tensor& weight, const at::Tensor& bias) {
  const LeveledRegions regions = leveled(maps, rois, scales, options.levels);
  return ops::pooled_linear(regions.maps, regions.rois, regions.levels, scales, align_options(options), weight, bias);
}

}  // namespace reviewkd::detection
