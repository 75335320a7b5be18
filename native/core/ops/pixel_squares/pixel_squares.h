#pragma once
// The pixels around a few positions of maps: the input of a 3×3 convolution that is read at these positions alone.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

struct PixelSquares {
  /// [S, 9 · C], row by row of each square, zeros beyond the map.
  at::Tensor rows;
  /// The maps for the next reader, to whose gradient that of the squares is added.
  std::vector<at::Tensor> maps;
};

/// Positions of one map; int64 [S].
struct MapPositions {
  at::Tensor images, pixels;  // pixels: counted row by row
};

/// Squares of the first map's positions, then of the next one's. maps: [N, C, H, W] each, of equal N and C;
/// differentiable by them.
PixelSquares pixel_squares(const std::vector<at::Tensor>& maps, const std::vector<MapPositions>& positions);

}  // namespace reviewkd::ops
