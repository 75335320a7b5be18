#pragma once
// Building blocks of the fast CPU paths: loops over images in channels-last order, compiled once per instruction set
// and selected at run time. Independent of libtorch, because an inline function of its headers compiled for one
// instruction set must not become the copy that the linker keeps for all.

#include <cstddef>
#include <cstdint>

namespace reviewkd::ops {

/// Values of 16 channels are adjacent in packed weights; channel counts of fast convolutions are multiples of it.
constexpr int64_t kLanes = 16;
constexpr int64_t kMostTaps = 9;

/// A sum over taps and input channels for each pixel of an output image:
/// out[r, c, o] = act(bias[o] + Σ_t Σ_i in[offset(t) + r · in_row + c · in_pixel + i] · weights[o / 16][t][i][o % 16]
/// + residual[r, c, o]).
/// Distances are counted in values. `in` is padded so that every tap of every pixel is inside.
struct Convolution {
  const void* in;
  const void* weights;
  void* out;
  int64_t taps;
  int64_t offsets[kMostTaps];
  /// Index of each tap in `weights`, which contains `weight_taps` taps.
  int64_t weight_tap[kMostTaps];
  int64_t weight_taps;
  int64_t in_channels;
  int64_t out_channels;
  int64_t in_pixel, in_row;
  int64_t out_pixel, out_row;
  int64_t rows, columns;
  const float* bias;     // [out_channels], or null
  const void* residual;  // as out, or null
  bool relu;
};

/// Adds one image's share of Σ_r Σ_c in[offset(t) + …, i] · gradient[r, c, o] to sums[t][i][o].
struct WeightGradient {
  const void* in;
  const void* gradient;
  float* sums;
  void* scratch;  // bytes of `weight_gradient_scratch`
  int64_t taps;
  int64_t offsets[kMostTaps];
  int64_t in_channels;
  int64_t out_channels;
  int64_t in_pixel, in_row;
  int64_t gradient_pixel, gradient_row;
  int64_t rows, columns;
};

/// Convolutions for one value type: float, or bfloat16 with float sums.
struct ConvolutionKernels {
  void (*convolve)(const Convolution&);
  void (*add_weight_gradient)(const WeightGradient&);
  int64_t (*weight_gradient_scratch)(const WeightGradient&);
};

/// A 3×3 convolution of consecutive images, with stride 1 and padding 1, by Winograd's F(4×4, 3×3), for some of their
/// tiles of 4×4 outputs, which are counted row by row over all images.
/// out[n, r, c, o] = act(bias[o] + Σ x · filter + residual[n, r, c, o]).
struct Winograd {
  const void* in;         // [images, height, width, in_channels]
  const float* filters;   // [36, in_channels, out_channels], see `transform_filters`
  void* out;              // [images, height, width, out_channels]
  float* scratch;         // `scratch_size` floats
  int64_t images, height, width;
  int64_t in_channels, out_channels;
  const float* bias;      // [out_channels], or null
  const void* residual;   // as out, or null
  bool relu;
  int64_t first_tile, tiles;  // one or more tiles
};

/// Adds the share of these tiles to the gradient of the transformed filters: sums[36][i][o].
struct WinogradGradient {
  const void* in;         // [images, height, width, in_channels]
  const void* gradient;   // [images, height, width, out_channels]
  float* sums;
  float* scratch;         // `scratch_size` floats
  int64_t images, height, width;
  int64_t in_channels, out_channels;
  int64_t first_tile, tiles;  // one or more tiles
};

struct WinogradKernels {
  /// G g Gᵀ: [9, pairs] -> [36, pairs], one plane per filter position and per pair of points; the first `count` pairs
  /// of each.
  void (*transform_filters)(const float* filters, int64_t pairs, int64_t count, float* transformed);
  /// Gᵀ g G, the inverse direction: [36, pairs] -> [9, pairs].
  void (*restore_filters)(const float* transformed, int64_t pairs, int64_t count, float* filters);
  void (*convolve)(const Winograd&);
  void (*add_gradient)(const WinogradGradient&);
  int64_t (*scratch_size)(int64_t in_channels, int64_t out_channels);
};

constexpr int64_t kWinogradPoints = 36;

/// Pixels of a normalized map, with the gradient of act(scale · x + shift + residual).
struct NormalizedMap {
  const void* gradient;
  const void* x;
  const float* mean;
  // The gradient is zero where the activation clipped: where the result `active` is not above zero or, if nothing was
  // added, where scale · x + shift is not, which avoids reading the result. Neither given: no clipping.
  const void* active;
  const float* scale;
  const float* shift;
};

/// Loops over `count` pixels with `channels` values each.
struct ChannelKernels {
  /// mean[c], and m2[c] = Σ (x - mean)²: two passes over the pixels, which should be in the cache.
  void (*moments)(const void* x, int64_t count, int64_t channels, float* mean, float* m2);
  /// out = act(scale[c] · x + shift[c] + residual); `residual` may be null.
  void (*normalize)(const void* x, const float* scale, const float* shift, const void* residual, bool relu, void* out,
                    int64_t count, int64_t channels);
  /// With g = the gradient where nothing was clipped, otherwise 0: sum[c] += Σ g, product[c] += Σ g · (x - mean[c]);
  /// writes g to `masked` unless it is null.
  void (*reduce_gradient)(const NormalizedMap& map, void* masked, float* sum, float* product, int64_t count,
                          int64_t channels);
  /// out = a[c] · g + b[c] · (x - mean[c]) + k[c].
  void (*normalization_gradient)(const NormalizedMap& map, const float* a, const float* b, const float* k, void* out,
                                 int64_t count, int64_t channels);
};

/// The difference of two maps [height, width, channels] in a grid of cells × cells equal windows. Sizes are multiples
/// of `cells`, channels of kLanes.
struct PyramidKernels {
  /// sums[cell][c] = Σ (left - right) over the cell's window -> Σ (left - right)² over the map.
  double (*difference)(const void* left, const void* right, int64_t height, int64_t width, int64_t channels,
                       int64_t cells, float* sums);
  /// out = factor · (left - right) + shifts[cell][c].
  void (*gradient)(const void* left, const void* right, int64_t height, int64_t width, int64_t channels, int64_t cells,
                   float factor, const float* shifts, void* out);
};

/// One image of attention based fusion: x, out and gradient are [rows · down, columns · right, channels]; y is [rows,
/// columns, channels], and each of its pixels covers down × right pixels of x; weights are [2][2 · channels], for the
/// channels of x, then of y.
struct Attention {
  const void* x;
  const void* y;
  const float* weights;
  int64_t rows, columns, down, right, channels;
};

struct AttentionKernels {
  /// z[pixel][k] = sigmoid(bias[k] + weights[k] · (x, y)); out = x · z₀ + y · z₁.
  void (*forward)(const Attention& image, const float* bias, float* z, void* out);
  /// Pixels first … first + count of `out`, from the same z. x and out contain only those pixels and may be the same
  /// memory.
  void (*merge)(const Attention& image, const float* z, int64_t first, int64_t count, void* out);
  /// Gradients of x and y; adds the contribution of these rows to weight_sums[2][2 · channels] and bias_sums[2];
  /// `slopes` is scratch memory for [pixel][2].
  void (*backward)(const Attention& image, const float* z, const void* gradient, float* slopes, void* x_gradient,
                   void* y_gradient, float* weight_sums, float* bias_sums);
};

/// Weights of an anchor's classes in the focal loss.
struct FocalLoss {
  float object_weight, background_weight, gamma;
};

/// logits: [anchors, columns], of which an anchor has the class classes[a], none for -1, and is skipped below that.
struct FocalKernels {
  /// -> the sum over anchors and columns
  double (*sum)(const FocalLoss& loss, const void* logits, const int64_t* classes, int64_t anchors, int64_t columns);
  /// out = factor · the gradient of the sum; 0 for anchors that are skipped.
  void (*gradient)(const FocalLoss& loss, const void* logits, const int64_t* classes, int64_t anchors, int64_t columns,
                   float factor, void* out);
};

/// A row or column of a map with its weight in a bin.
template <typename T>
struct RoiTap {
  int64_t pixel;
  T weight;
};

/// Bins of a region of a map [rows, map_width, channels]: bin (y, x) is the sum over rows row_ends[y] … row_ends[y + 1]
/// - 1 and columns column_ends[x] … of the products of their weights with pixels.
template <typename T>
struct RoiBins {
  const RoiTap<T>*rows, *columns;
  const int64_t *row_ends, *column_ends;
  int64_t height, width;
  int64_t map_width, channels;
};

struct RoiAlignKernels {
  /// out: [height, width, channels]
  void (*pool)(const RoiBins<float>& bins, const void* map, void* out);
  /// Adds the share of channels first … last - 1 to the gradient of the map: sums, as the map.
  void (*add_gradient)(const RoiBins<float>& bins, const void* gradient, int64_t first, int64_t last, float* sums);
};

struct SgdCoefficients {
  float rate, momentum, decay;
  bool nesterov;
};

/// g ← gradient + decay · p;  v ← momentum · v + g;  p ← p - rate · (nesterov ? g + momentum · v : v).
using SgdKernel = void (*)(float* parameter, const float* gradient, float* momentum_buffer, int64_t count,
                           const SgdCoefficients& coefficients);

/// All loops of one instruction set for one map type.
struct MapKernels {
  ChannelKernels channels;
  PyramidKernels pyramid;
  AttentionKernels attention;
  FocalKernels focal;
  RoiAlignKernels roi_align;
};

namespace generic {
extern const MapKernels kMapsFloat, kMapsBfloat16;
extern const SgdKernel kSgd;
}  // namespace generic
namespace avx2 {
extern const MapKernels kMapsFloat, kMapsBfloat16;
extern const SgdKernel kSgd;
extern const WinogradKernels kWinogradFloat, kWinogradBfloat16;
}  // namespace avx2
namespace avx512 {
extern const MapKernels kMapsFloat, kMapsBfloat16;
extern const SgdKernel kSgd;
extern const WinogradKernels kWinogradFloat, kWinogradBfloat16;
extern const ConvolutionKernels kConvolutionsFloat;
}  // namespace avx512
namespace avx512_bfloat16 {
extern const MapKernels kMapsFloat, kMapsBfloat16;
extern const SgdKernel kSgd;
extern const WinogradKernels kWinogradFloat, kWinogradBfloat16;
extern const ConvolutionKernels kConvolutionsBfloat16;
}  // namespace avx512_bfloat16

}  // namespace reviewkd::ops
