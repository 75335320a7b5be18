#pragma once
// A step of stochastic gradient descent for one parameter, in one pass.
// Sutskever, Martens, Dahl, Hinton: "On the importance of initialization and momentum in deep learning" (ICML 2013).

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

struct SgdStep {
  double rate, momentum, decay;
  bool nesterov;
};

/// g ← gradient + decay · p;  v ← momentum · v + g;  p ← p - rate · (nesterov ? g + momentum · v : v), with PyTorch's
/// operations.
void sgd_step_reference(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& momentum_buffer,
                        const SgdStep& step);

/// Computes the same in one pass for float32 on the CPU; everything else takes the reference path.
void sgd_step(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& momentum_buffer, const SgdStep& step);

}  // namespace reviewkd::ops
