#pragma once
// The passes over images that implement batch normalization with the fast kernels: after our own convolution, which
// computes the moments while an image is in the cache, and after any other operation.
// Ioffe, Szegedy: "Batch Normalization" (ICML 2015).

#include <ATen/core/Tensor.h>

#include "core/ops/backend/graph/recomputation.h"
#include "core/ops/backend/kernels.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/conv_norm/batch_moments.h"
#include "core/ops/conv_norm/conv_norm.h"

namespace reviewkd::ops {

/// The shape of the maps [N, H, W, C] that a pass processes image by image, or large images in equal parts, so that
/// threads have work. Parts depend on the shape alone, and with them the last digits of sums.
struct ImagePass {
  int64_t images, pixels, channels;
  const ChannelKernels& kernels;

  int64_t parts_of_image() const;
  /// Of all images.
  int64_t parts() const { return images * parts_of_image(); }
  int64_t part_pixels() const { return pixels / parts_of_image(); }
};

/// Mean and sum of squared deviations of parts first … last of the maps x, counted over all images.
void add_moments(const ImagePass& pass, const NhwcView& x, int64_t first, int64_t last, ImageMoments& moments);
/// Of all parts, in parallel.
void add_moments(const ImagePass& pass, const NhwcView& x, ImageMoments& moments);

/// Updates the running statistics with those of a batch, which exclude the convolution's bias, if any.
void update_running_stats(const ConvNormParameters& parameters, const BatchMoments& moments);

/// act(scale · x + shift + residual); [C] each.
void normalize(const ImagePass& pass, const NhwcView& x, const float* scale, const float* shift,
               const NhwcView& residuals, bool relu, const NhwcView& results);

/// Recomputes a normalization from its input.
Recomputation recompute_norm(const at::Tensor& x, const BatchNormCoefficients& coefficients, bool relu);

/// How an activation clipped: not at all, as its result shows, or as its input shows if no residual was added.
struct Activation {
  /// Whether the result must be saved for the backward pass.
  static bool keeps_result(bool relu, bool has_residual) { return relu && has_residual; }

  bool relu;
  at::Tensor result;  // undefined unless saved
};

/// Normalized maps, with the gradient of the result.
class NormalizedImages {
 public:
  NormalizedImages(const ImagePass& pass, const at::Tensor& x, const at::Tensor& gradient,
                   const BatchNormCoefficients& coefficients, const Activation& activation)
      : pass_(pass),
        x_(x),
        gradients_(gradient),
        actives_(activation.result),
        coefficients_(coefficients),
        cut_by_input_(activation.relu && !activation.result.defined()) {}

  const ImagePass& pass() const { return pass_; }
  const BatchNormCoefficients& coefficients() const { return coefficients_; }
  /// The map from this pixel of the image on.
  NormalizedMap from(int64_t image, int64_t pixel) const;

 private:
  ImagePass pass_;
  NhwcView x_, gradients_, actives_;
  const BatchNormCoefficients& coefficients_;
  bool cut_by_input_;
};

/// Sums of the gradient. Writes the gradient behind the activation to `masks` unless it is null.
NormalizationGradient reduce_gradient(const NormalizedImages& maps, const at::Tensor& gamma,
                                      const NormalizedBatch& batch, const NhwcView& masks);

/// Running statistics as a scale and shift per channel after a convolution without its bias; [O], float32.
struct FoldedBatchNorm {
  explicit FoldedBatchNorm(const ConvNormParameters& parameters);

  at::Tensor scale, shift;
};

/// The exchange of a normalization that computes the statistics of its batch in a StatisticsScope, otherwise null.
StatisticsExchange* exchange_of(const ConvNormParameters& parameters);

/// act(BN(x) + residual) with PyTorch's operations; uses only the normalization's fields of `parameters`. x,
/// residual: [N, C, H, W].
at::Tensor batch_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual,
                                bool relu);

/// Computes the same function in one pass over x after the statistics: float32 and bfloat16 on the CPU, in training
/// mode or without gradients of the normalization's own tensors. All other inputs take the reference path. The caller owns the result exclusively.
/// Throws BATCH_TOO_SMALL.
LazyTensor batch_norm(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

}  // namespace reviewkd::ops
