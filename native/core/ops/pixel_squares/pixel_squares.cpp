#include "core/ops/pixel_squares/pixel_squares.h"

#include <ATen/ATen.h>

#include "core/ops/backend/graph/autograd_function.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// [N, C, H, W] -> [N · H · W, C], in the same memory if the map is in channels-last order.
at::Tensor pixels_of(const at::Tensor& map) { return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)}); }

/// Of each pixel of the squares: its index in `pixels_of` the map, [S · 9], and 1 or, beyond the map, 0, [S · 9, 1].
struct SquarePixels {
  at::Tensor indices, factors;
};

SquarePixels square_pixels(const at::Tensor& map, const MapPositions& positions) {
  const int64_t height = map.size(2), width = map.size(3);
  const at::Tensor offsets = at::arange(-1, 2, positions.pixels.options());
  const at::Tensor y = (positions.pixels.div(width, "floor").unsqueeze(1) + offsets).unsqueeze(2);  // [S, 3, 1]
  const at::Tensor x = (positions.pixels.remainder(width).unsqueeze(1) + offsets).unsqueeze(1);     // [S, 1, 3]
  const at::Tensor is_inside = y.ge(0).logical_and(y.lt(height)).logical_and(x.ge(0).logical_and(x.lt(width)));
  const at::Tensor indices = (positions.images.view({-1, 1, 1}) * height + y.clamp(0, height - 1)) * width +
                             x.clamp(0, width - 1);  // [S, 3, 3]
  return {indices.flatten(), is_inside.reshape({-1, 1}).to(map.scalar_type())};
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(PixelSquaresFunction) {
 public:
  static variable_list forward(AutogradContext* context, at::TensorList maps,
                               const std::vector<MapPositions>& positions) {
    std::vector<at::Tensor> squares, indices, factors;
    std::vector<int64_t> sizes;
    for (size_t i = 0; i < maps.size(); ++i) {
      const SquarePixels pixels = square_pixels(maps[i], positions[i]);
      squares.push_back(pixels_of(maps[i]).index_select(0, pixels.indices) * pixels.factors);  // [S · 9, C]
      indices.push_back(pixels.indices);
      factors.push_back(pixels.factors);
      sizes.insert(sizes.end(), maps[i].sizes().begin(), maps[i].sizes().end());
    }
    context->saved_data["indices"] = indices;
    context->saved_data["factors"] = factors;
    context->saved_data["sizes"] = sizes;
    context->set_materialize_grads(false);
    constexpr int64_t kSquare = 9;
    const at::Tensor all = at::cat(squares);
    variable_list results = {all.view({all.size(0) / kSquare, kSquare * all.size(1)})};
    results.insert(results.end(), maps.begin(), maps.end());
    return results;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto indices = context->saved_data["indices"].toTensorVector();
    const auto factors = context->saved_data["factors"].toTensorVector();
    const auto sizes = context->saved_data["sizes"].toIntVector();
    constexpr size_t kDimensions = 4;
    variable_list result;
    int64_t begin = 0;
    for (size_t i = 0; i < indices.size(); ++i) {
      const at::IntArrayRef map_sizes(sizes.data() + kDimensions * i, kDimensions);
      const at::Tensor& sum = result.emplace_back(sum_of_fork(gradients[i + 1], map_sizes, factors[i].options()));
      if (!gradients[0].defined()) continue;
      const int64_t count = indices[i].numel();
      const at::Tensor own = gradients[0].reshape({-1, map_sizes[1]}).narrow(0, begin, count);
      pixels_of(sum).index_add_(0, indices[i], own * factors[i]);
      begin += count;
    }
    result.emplace_back();  // positions have none
    return result;
  }
};

PixelSquares pixel_squares(const std::vector<at::Tensor>& maps, const std::vector<MapPositions>& positions) {
  const variable_list results = PixelSquaresFunction::apply(at::TensorList(maps), positions);
  return {results[0], {results.begin() + 1, results.end()}};
}

}  // namespace reviewkd::ops
