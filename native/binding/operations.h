#pragma once
// Fused operations by themselves, for the tests that hold them against their references.

#include <napi.h>

namespace reviewkd::binding {

/// (inputs: [x, weight, gamma, beta, residual?], outputGradient: Tensor, options: {stride, relu, training, reference, bfloat16}) ->
/// Promise<{output: Tensor, gradients: Tensor[], runningMean: Tensor, runningVariance: Tensor}>. Running statistics begin with 0 and 1.
Napi::Value conv_norm_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
