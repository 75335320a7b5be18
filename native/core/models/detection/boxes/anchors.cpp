#include "core/models/detection/boxes/anchors.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"

namespace reviewkd::detection {
namespace {

/// The anchor of one size and ratio around the origin, as width and height.
std::pair<double, double> shape_of(double size, double ratio, bool ratio_major) {
  // The two orders of the packages differ in rounding as well.
  if (ratio_major) {
    const double height_ratio = std::sqrt(ratio);
    return {1.0 / height_ratio * size, height_ratio * size};
  }
  const double width = std::sqrt(size * size / ratio);
  return {width, ratio * width};
}

std::vector<ImageSize> strides_of(const AnchorOptions& anchors, ImageSize padded, const std::vector<ImageSize>& maps) {
  std::vector<ImageSize> strides;
  if (anchors.strides_from_maps) {
    for (const ImageSize& map : maps) strides.push_back({padded.height / map.height, padded.width / map.width});
    return strides;
  }
  const double first = static_cast<double>(padded.height) / static_cast<double>(maps.front().height);
  auto stride = static_cast<int64_t>(std::exp2(std::round(std::log2(first))));
  for (size_t level = 0; level < maps.size(); ++level, stride *= 2) strides.push_back({stride, stride});
  return strides;
}

}  // namespace

AnchorOptions AnchorOptions::from(const Options& options) {
  AnchorOptions anchors{
      .sizes = {},
      .ratios = options.numbers("ratios"),
      .rounded = options.boolean("anchorRounding"),
      .ratio_major = options.choice<bool>("anchorOrder", {{"ratio-major", true}, {"size-major", false}}),
      .strides_from_maps = options.choice<bool>("anchorStrides", {{"from-maps", true}, {"fixed", false}}),
  };
  for (const Value& level : std::get<Value::List>(options.at("sizes").content)) {
    auto& sizes = anchors.sizes.emplace_back();
    for (const Value& size : std::get<Value::List>(level.content)) sizes.push_back(std::get<double>(size.content));
  }
  return anchors;
}

std::vector<at::Tensor> cell_anchors(const AnchorOptions& anchors, const at::TensorOptions& type) {
  std::vector<at::Tensor> levels;
  for (const auto& sizes : anchors.sizes) {
    std::vector<double> corners;
    const auto add = [&](double size, double ratio) {
      const auto [width, height] = shape_of(size, ratio, anchors.ratio_major);
      for (const double corner : {-width / 2, -height / 2, width / 2, height / 2})
        corners.push_back(anchors.rounded ? std::nearbyint(corner) : corner);
    };
    if (anchors.ratio_major) {
      for (const double ratio : anchors.ratios)
        for (const double size : sizes) add(size, ratio);
    } else {
      for (const double size : sizes)
        for (const double ratio : anchors.ratios) add(size, ratio);
    }
    levels.push_back(at::tensor(corners, at::kDouble).view({-1, 4}).to(type));  // [A, 4]
  }
  return levels;
}

AnchorGrid anchor_grid(const AnchorOptions& anchors, ImageSize padded_image, const std::vector<ImageSize>& maps,
                       const at::TensorOptions& type) {
  if (maps.size() != anchors.sizes.size()) {
    fail(ErrorCode::kShapeMismatch, "invalid anchors: expected sizes for ", maps.size(), " levels, received ",
         anchors.sizes.size(), ". Pass a list of sizes for each level of the pyramid.");
  }
  AnchorGrid grid{{}, strides_of(anchors, padded_image, maps)};
  const auto cells = cell_anchors(anchors, type);
  for (size_t level = 0; level < maps.size(); ++level) {
    const auto [height, width] = maps[level];
    const at::Tensor x = at::arange(width, type) * grid.strides[level].width;
    const at::Tensor y = at::arange(height, type) * grid.strides[level].height;
    const at::Tensor columns = x.expand({height, width}).reshape({-1});                    // [H · W]
    const at::Tensor rows = y.unsqueeze(1).expand({height, width}).reshape({-1});          // [H · W]
    const at::Tensor shifts = at::stack({columns, rows, columns, rows}, 1);                // [H · W, 4]
    grid.levels.push_back((shifts.unsqueeze(1) + cells[level]).reshape({-1, 4}));  // [H · W · A, 4]
  }
  return grid;
}

}  // namespace reviewkd::detection
