#pragma once
// conv_norm.h's operation on a device with kernels for what stands around the convolution.

#include "core/ops/conv_norm.h"

namespace reviewkd::ops {

/// Convolves by PyTorch (cuDNN) and does the rest in one pass, or two where statistics are taken, each way. Nothing where this does not apply:
/// no accelerator for x, other types than float32 and bfloat16, output channels that are no multiple of 8, or gradients through running statistics.
std::optional<at::Tensor> conv_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                                              const at::Tensor& residual, bool relu);

}  // namespace reviewkd::ops
