#pragma once
// A convolution whose channels are scaled and shifted by values that do not depend on the batch, residual addition and
// ReLU as one operation: a convolution before a frozen normalization, or one with a bias.
//
// One pass computes everything, with the scale folded into the weights. Only the input is saved and, for the ReLU, the
// result, which is the next layer's input.

#include <ATen/core/Tensor.h>

#include "core/ops/conv_norm/conv_norm.h"
#include "core/ops/convolution/image_convolution.h"

namespace reviewkd::ops {

/// act(scale · conv(x) + shift + residual).
struct AffineConvolution {
  at::Tensor weight;  // [O, I, k, k]
  at::Tensor scale;   // [O], float32, fixed; undefined for 1
  at::Tensor shift;   // [O], float32, fixed or a bias that is trained; undefined for 0
  at::Tensor residual;  // shaped like the result, or undefined
  int64_t stride, padding;
  bool relu;
};

/// The result [N, O, Ho, Wo] and, if `forks`, x for a second reader, whose gradient is added to the layer's own.
struct AffineResult {
  at::Tensor layer, x;
};

/// With gradients, by kernels. x: [N, I, H, W]; type: of the arithmetic.
AffineResult affine_convolution(const at::Tensor& x, const AffineConvolution& layer,
                                const ImageConvolution& convolution, at::ScalarType type, bool forks);

/// Without gradients. packed: by the convolution, with the scale.
at::Tensor affine_convolution_forward(const at::Tensor& x, const AffineConvolution& layer,
                                      const ImageConvolution& convolution, at::ScalarType type,
                                      const at::Tensor& packed);

/// act(conv(x) + bias + residual, if any), with or without gradients: float32 and bfloat16 on the CPU where ImageConvolution has kernels,
/// all others by PyTorch. Uses only the convolution's fields of `parameters`. folded: caches packed weights.
at::Tensor biased_convolution(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                              const at::Tensor& residual, bool relu);

/// The same with PyTorch's operations.
at::Tensor biased_convolution_reference(const at::Tensor& x, const ConvNormParameters& parameters,
                                        const at::Tensor& residual, bool relu);

/// act(scale · x + shift + residual) for a frozen normalization behind another operation, with gradients of x and
/// residual. x: [N, C, H, W], float32 or bfloat16 on the CPU; scale, shift: [C], float32.
at::Tensor affine_map(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& residual,
                      bool relu);

}  // namespace reviewkd::ops
