#pragma once
// Gradients compared with differences of values.

#include <ATen/ATen.h>

#include "tests/support/tensors.h"

namespace reviewkd::tests {

/// Compares the gradient of Σ function(input) · noise with central differences, in double. A step of 1e-6 leaves an
/// error of about 1e-10 from rounding and, with third derivatives near 1, less from the step.
template <typename Function>
void expect_gradient_of_differences(const Function& function, const at::Tensor& input, double tolerance = 1e-7) {
  constexpr double kStep = 1e-6;
  const at::Tensor point = leaf(input, at::kDouble);
  const at::Tensor output = function(point);
  const at::Tensor upstream = noise_tensor(output.sizes(), 77, at::kDouble);
  const at::Tensor gradient = gradients_of(output, upstream, {point})[0];
  const at::NoGradGuard no_gradient;
  const auto sum_at = [&](const at::Tensor& values) {
    const at::Tensor result = function(values);
    return (result * upstream).sum().item<double>();
  };
  at::Tensor differences = at::empty(point.numel(), at::kDouble);
  for (int64_t i = 0; i < point.numel(); ++i) {
    const auto moved = [&](double step) {
      at::Tensor values = point.detach().contiguous().clone();
      values.view(-1)[i] += step;
      return sum_at(values);
    };
    differences[i] = (moved(kStep) - moved(-kStep)) / (2 * kStep);
  }
  expect_close(gradient.contiguous().view(-1), differences, tolerance, "gradient");
}

}  // namespace reviewkd::tests
