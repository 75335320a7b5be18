#pragma once
// A step of stochastic gradient descent for one parameter; see SgdKernel. Included once per instruction set.

#include "core/ops/backend/kernels.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

void update_parameters(float* __restrict__ parameter, const float* __restrict__ gradient,
                       float* __restrict__ momentum_buffer, int64_t count, const SgdCoefficients& coefficients) {
  const auto [rate, momentum, decay, nesterov] = coefficients;
  const float gradient_share = nesterov ? 1.0f : 0.0f;
  const float momentum_share = nesterov ? momentum : 1.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] + decay * parameter[i];
    momentum_buffer[i] = momentum * momentum_buffer[i] + g;
    parameter[i] -= rate * (gradient_share * g + momentum_share * momentum_buffer[i]);
  }
}

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
