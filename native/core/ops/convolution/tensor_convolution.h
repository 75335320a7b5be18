#pragma once
// 3 × 3 convolution in bfloat16 by a kernel of a device's tensor cores, with the normalization and ReLU in front of it and the moments of what it gives;
// and the same by PyTorch's operations in double. See TensorConvolution in accelerator.h. Tested and measured, not used in training yet.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

struct TensorConvolutionInputs {
  at::Tensor x;       // [N, I, H, W]
  at::Tensor weight;  // [O, I, 3, 3]
  int64_t stride = 1;
  at::Tensor scale, shift;  // [I], of relu(scale · x + shift); undefined for x as it is
  at::Tensor origin;        // [O], which requests the moments about it; undefined for none
};

struct TensorConvolutionResult {
  at::Tensor output;   // [N, O, ⌈H / stride⌉, ⌈W / stride⌉]
  at::Tensor moments;  // [parts, 2, O]: Σ (output - origin) and Σ (output - origin)²; undefined without an origin
};

/// Whether a kernel takes these inputs: I and O of 16, 32 or 64, a stride of 1 or 2, and a device with tensor cores for bfloat16.
bool supports_tensor_convolution(const TensorConvolutionInputs& inputs);

/// weight: [O, I, 3, 3], of float32 or bfloat16 -> [9 · I · O] for the kernel, on the weight's device.
at::Tensor pack_tensor_weights(const at::Tensor& weight);

/// In bfloat16, with moments in float32. `packed`: the weight as pack_tensor_weights gives it.
TensorConvolutionResult tensor_convolution(const TensorConvolutionInputs& inputs, const at::Tensor& packed);

/// The same in double by PyTorch's operations, rounded where the kernel rounds: the normalized input and what the moments are of. The output itself is not
/// rounded, so that the distance to it shows. One part.
TensorConvolutionResult reference_tensor_convolution(const TensorConvolutionInputs& inputs);

}  // namespace reviewkd::ops
