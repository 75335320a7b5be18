#pragma once
// One parameter's step of stochastic gradient descent, in one pass.
// Sutskever, Martens, Dahl, Hinton: "On the importance of initialization and momentum in deep learning" (ICML 2013).

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

struct SgdStep {
  double rate, momentum, decay;
  bool nesterov;
};

/// g ← gradient + decay · p;  v ← momentum · v + g;  p ← p - rate · (nesterov ? g + momentum · v : v), by PyTorch's operations.
void sgd_step_reference(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& velocity, const SgdStep& step);

/// The same, in one pass over float32 on the CPU; everything else takes the reference.
void sgd_step(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& velocity, const SgdStep& step);

}  // namespace reviewkd::ops
