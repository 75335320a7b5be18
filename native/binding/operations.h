#pragma once
// Fused operations by themselves, for the tests that hold them against their references.

#include <napi.h>

namespace reviewkd::binding {

// Options of all: {reference, bfloat16, device?}, the CPU by default.

/// (inputs: [x, weight, gamma, beta, residual?], outputGradient: Tensor, options: {stride, relu, training, …}) ->
/// Promise<{output: Tensor, gradients: Tensor[], runningMean: Tensor, runningVariance: Tensor}>. Running statistics begin with 0 and 1.
Napi::Value conv_norm_of(const Napi::CallbackInfo& info);

/// (inputs: [x, y, weight, bias], outputGradient: Tensor, options) -> Promise<{output: Tensor, gradients: Tensor[]}>.
Napi::Value attention_fusion_of(const Napi::CallbackInfo& info);

/// (maps: [student, teacher], options) -> Promise<{output: Tensor, gradients: Tensor[]}>: the hierarchical context loss, and the gradient of the first.
Napi::Value pyramid_loss_of(const Napi::CallbackInfo& info);

/// (data: Dataset, split, options: {batchSize, seed, epoch, shuffle, augment, device}) -> Promise<Tensor[]>: images and labels, batch by batch, as a
/// device makes them of images that lie there; none where it does not.
Napi::Value device_batches_of(const Napi::CallbackInfo& info);

/// (options: {device, bfloat16, images, channels, side, runs}) -> Promise<{name, seconds, bytes}[]>: a copy and the kernels of a device, timed; none
/// where it has none.
Napi::Value kernel_rates_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
