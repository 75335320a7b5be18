#pragma once
// Fused operations by themselves, for the tests that hold them against their references.

#include <napi.h>

namespace reviewkd::binding {

/// All take (inputs: Tensor[], outputGradient: Tensor, options: {reference, bfloat16, training, device?}) and give Promise<{output: Tensor,
/// gradients: Tensor[], statistics: Tensor[]}>: gradients of the inputs that have one, in training; both paths by `reference`.

/// inputs: x, weight, gamma, beta and, where there is one, what is added; options also hold {stride, relu}; statistics: the running mean
/// and variance, which begin with 0 and 1.
Napi::Value conv_norm_of(const Napi::CallbackInfo& info);

/// inputs: x, y, weight, bias.
Napi::Value attention_fusion_of(const Napi::CallbackInfo& info);

/// inputs: student, teacher.
Napi::Value context_loss_of(const Napi::CallbackInfo& info);

/// (data: Dataset, split, options: {batchSize, seed, epoch, shuffle, augment, device}) -> Promise<Tensor[]>: images and labels, batch by batch, as a
/// device makes them of images that lie there; none where it does not.
Napi::Value device_batches_of(const Napi::CallbackInfo& info);

/// (inputs: {x, weight, scale?, shift?, origin?}, options: {stride, reference, device}) -> Promise<{output, moments?} | undefined>: the tensor cores'
/// convolution or its reference, in double, with the moments of all parts added up; undefined if the device has no kernel for it.
Napi::Value tensor_convolution_of(const Napi::CallbackInfo& info);

/// (options: {device, bfloat16, images, channels, side, runs}) -> Promise<{name, seconds, bytes, operations}[]>: a copy and the kernels of a device, timed; none
/// where it has none.
Napi::Value kernel_rates_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
