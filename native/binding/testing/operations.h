#pragma once
// Standalone fused operations, for the tests that compare them with their references.

#include <napi.h>

namespace reviewkd::binding {

/// All have the form (inputs: Tensor[], outputGradient: Tensor, options: {reference, bfloat16, training, device?}) ->
/// Promise<{output: Tensor, gradients: Tensor[], statistics: Tensor[]}>. Training mode returns the gradients of the
/// inputs that have one; `reference` selects the path.

/// inputs: x, weight, gamma, beta and, optionally, a residual; options also hold {stride, relu}; statistics: the
/// running mean and variance, which start at 0 and 1.
Napi::Value conv_norm_of(const Napi::CallbackInfo& info);

/// inputs: x, y, weight, bias.
Napi::Value attention_fusion_of(const Napi::CallbackInfo& info);

/// inputs: student, teacher.
Napi::Value context_loss_of(const Napi::CallbackInfo& info);

/// (data: Dataset, split, options: {batchSize, seed, epoch, shuffle, augment, device}) -> Promise<Tensor[]>: images
/// and labels, batch by batch, as a device assembles them from resident images; empty if the images are not resident.
Napi::Value device_batches_of(const Napi::CallbackInfo& info);

/// (inputs: {x, weight, scale?, shift?, origin?}, options: {stride, reference, device}) -> Promise<{output, moments?}
/// | undefined>: the tensor-core convolution or its reference, in double, with the moments of all parts added up;
/// undefined if the device has no kernel for it.
Napi::Value tensor_convolution_of(const Napi::CallbackInfo& info);

/// (options: {device, bfloat16, images, channels, side, runs}) -> Promise<{name, seconds, bytes, operations}[]>:
/// timings of a copy and of the device's kernels; empty if the device has no kernels.
Napi::Value kernel_rates_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
