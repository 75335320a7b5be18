#pragma once
// 3 × 3 convolution in bfloat16 by a kernel for a device's tensor cores, with the preceding normalization and ReLU
// and the moments of its output, and the same with PyTorch's operations in double. See TensorConvolution in
// kernel_backend.h. Tested and measured, not used in training yet.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

struct TensorConvolutionInputs {
  at::Tensor x;       // [N, I, H, W]
  at::Tensor weight;  // [O, I, 3, 3]
  int64_t stride = 1;
  at::Tensor scale, shift;  // [I], of relu(scale · x + shift); undefined for unnormalized x
  at::Tensor origin;        // [O], which requests the moments about it; may be undefined
};

struct TensorConvolutionResult {
  at::Tensor output;   // [N, O, ⌈H / stride⌉, ⌈W / stride⌉]
  at::Tensor moments;  // [parts, 2, O]: Σ (output - origin) and Σ (output - origin)²; undefined without an origin
};

/// Whether a kernel supports these inputs: I and O of 16, 32 or 64, a stride of 1 or 2, and a device with bfloat16
/// tensor cores.
bool supports_tensor_convolution(const TensorConvolutionInputs& inputs);

/// weight: [O, I, 3, 3], float32 or bfloat16 -> [9 · I · O] for the kernel, on the weight's device.
at::Tensor pack_tensor_weights(const at::Tensor& weight);

/// In bfloat16, with moments in float32. `packed`: the result of pack_tensor_weights.
TensorConvolutionResult tensor_convolution(const TensorConvolutionInputs& inputs, const at::Tensor& packed);

/// Computes the same in double with PyTorch's operations, rounded where the kernel rounds: the normalized input and
/// the values of the moments. The output itself is not rounded, so that its error is visible. One part.
TensorConvolutionResult reference_tensor_convolution(const TensorConvolutionInputs& inputs);

}  // namespace reviewkd::ops
