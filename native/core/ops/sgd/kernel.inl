#pragma once
// A step of stochastic gradient descent over one parameter; see SgdKernel. Included once for each instruction set.

#include "core/ops/backend/kernels.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

void update_parameters(float* __restrict__ parameter, const float* __restrict__ gradient, float* __restrict__ velocity, int64_t count,
                       const SgdCoefficients& coefficients) {
  const auto [rate, momentum, decay, nesterov] = coefficients;
  const float gradient_share = nesterov ? 1.0f : 0.0f;
  const float velocity_share = nesterov ? momentum : 1.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] + decay * parameter[i];
    velocity[i] = momentum * velocity[i] + g;
    parameter[i] -= rate * (gradient_share * g + velocity_share * velocity[i]);
  }
}

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
