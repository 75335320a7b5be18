#pragma once
// The passes over images that batch normalization is made of, by the fast kernels: behind a convolution of our own, which takes the moments
// while an image lies in the cache, and behind any other.
// Ioffe, Szegedy: "Batch Normalization" (ICML 2015).

#include <ATen/core/Tensor.h>

#include "core/ops/conv_norm/batch_moments.h"
#include "core/ops/conv_norm/conv_norm.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/backend/kernels.h"
#include "core/ops/backend/recomputation.h"

namespace reviewkd::ops {

/// The maps [N, H, W, C] that passes go over, image by image.
struct ImagePass {
  int64_t images, pixels, channels;
  const ChannelKernels& kernels;
};

/// Moves the running statistics towards those of a batch, which lack the convolution's bias where there is one.
void update_running_stats(const ConvNormParameters& parameters, const BatchMoments& moments);

/// act(scale · x + shift + residual); [C] of each.
void normalize(const ImagePass& pass, const NhwcView& x, const float* scale, const float* shift, const NhwcView& residuals, bool relu,
               const NhwcView& results);

/// A normalization made again of what it was made of.
Recomputation recompute_norm(const at::Tensor& x, const BatchNormCoefficients& normalizing, bool relu);

/// What an activation cut off: nothing, what stands in its result, or what follows from its input, as nothing was added to that.
struct Activation {
  /// Whether a result must be kept for the backward pass.
  static bool keeps_result(bool relu, bool has_residual) { return relu && has_residual; }

  bool relu;
  at::Tensor result;  // undefined where it is not kept
};

/// Maps that were normalized, with the gradient of what came of them.
class NormalizedImages {
 public:
  NormalizedImages(const ImagePass& pass, const at::Tensor& x, const at::Tensor& gradient, const BatchNormCoefficients& normalizing,
                   const Activation& activation)
      : pass_(pass), x_(x), gradients_(gradient), actives_(activation.result), normalizing_(normalizing),
        cut_by_input_(activation.relu && !activation.result.defined()) {}

  const ImagePass& pass() const { return pass_; }
  const BatchNormCoefficients& normalizing() const { return normalizing_; }
  /// From this pixel of the image on.
  NormalizedMap from(int64_t image, int64_t pixel) const;

 private:
  ImagePass pass_;
  NhwcView x_, gradients_, actives_;
  const BatchNormCoefficients& normalizing_;
  bool cut_by_input_;
};

/// Sums of the gradient. `masks` takes what is left of it behind the activation, or is none.
NormalizationGradient reduce_gradient(const NormalizedImages& maps, const at::Tensor& gamma, const NhwcView& masks);

/// Running statistics as a scale and a shift of each channel behind a convolution without its bias; [O], float32.
struct FoldedBatchNorm {
  explicit FoldedBatchNorm(const ConvNormParameters& parameters);

  at::Tensor scale, shift;
};

/// As torch::nn::functional::batch_norm asks of the values of a channel, and at::batch_norm does not. Throws BATCH_TOO_SMALL.
void require_several_values(int64_t values);

/// act(BN(x) + residual) by PyTorch's operations; of `parameters`, those of the normalization count. x, residual: [N, C, H, W].
at::Tensor batch_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

/// The same, in one pass over x behind its statistics: float32 and bfloat16 on the CPU, in training mode or without gradients. Everything else
/// takes the reference. The result is the caller's alone. Throws BATCH_TOO_SMALL.
LazyTensor batch_norm(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

}  // namespace reviewkd::ops
