#pragma once
// The passes over images that batch normalization is made of, by the fast kernels: behind a convolution of our own, which takes the moments
// while an image lies in the cache, and behind any other.
// Ioffe, Szegedy: "Batch Normalization" (ICML 2015).

#include <ATen/core/Tensor.h>

#include "core/ops/batch_moments.h"
#include "core/ops/conv_norm.h"
#include "core/ops/images.h"
#include "core/ops/kernels/kernels.h"

namespace reviewkd::ops {

/// The maps [N, H, W, C] that passes go over, image by image.
struct ImagePass {
  int64_t images, pixels, channels;
  const ChannelKernels& kernels;
};

/// Moves the running statistics towards those of a batch, which lack the convolution's bias where there is one.
void move_statistics(const ConvNormParameters& parameters, const BatchMoments& moments);

/// act(scale · x + shift + residual); [C] of each.
void normalize(const ImagePass& pass, const Images& x, const float* scale, const float* shift, const Images& residuals, bool relu,
               const Images& results);

/// Sums of the gradient, where `actives` are none or above zero. `masks` takes what is left of the gradient, or is none.
NormalizationGradient reduce_gradient(const ImagePass& pass, const Images& gradients, const Images& actives, const Images& x,
                                      const at::Tensor& mean, const at::Tensor& inverse, const at::Tensor& gamma, const Images& masks);

/// Running statistics as a scale and a shift of each channel behind a convolution without its bias; [O], float32.
struct Folding {
  explicit Folding(const ConvNormParameters& parameters);

  at::Tensor scale, shift;
};

/// As torch::nn::functional::batch_norm asks of the values of a channel, and at::batch_norm does not. Throws BATCH_TOO_SMALL.
void require_several_values(int64_t values);

/// act(BN(x) + residual) by PyTorch's operations; of `parameters`, those of the normalization count. x, residual: [N, C, H, W].
at::Tensor batch_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

/// The same, in one pass over x behind its statistics: float32 and bfloat16 on the CPU, in training mode or without gradients. Everything else
/// takes the reference. The result is the caller's alone. Throws BATCH_TOO_SMALL.
at::Tensor batch_norm(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

}  // namespace reviewkd::ops
