#include "core/ops/sgd/sgd_step.h"

#include <ATen/ATen.h>

#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

bool is_fast(const at::Tensor& values) {
  return values.is_cpu() && values.scalar_type() == at::kFloat && values.is_non_overlapping_and_dense();
}

}  // namespace

void sgd_step_reference(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& velocity, const SgdStep& step) {
  const at::Tensor decayed = step.decay != 0 ? gradient.add(parameter, step.decay) : gradient;
  velocity.mul_(step.momentum).add_(decayed);
  parameter.sub_(step.nesterov ? decayed.add(velocity, step.momentum) : velocity, step.rate);
}

void sgd_step(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& velocity, const SgdStep& step) {
  if (takes_reference_path() || !is_fast(parameter) || !is_fast(gradient) || !is_fast(velocity) ||
      parameter.strides() != gradient.strides() || parameter.strides() != velocity.strides()) {
    return sgd_step_reference(parameter, gradient, velocity, step);
  }
  sgd_kernel()(parameter.data_ptr<float>(), gradient.const_data_ptr<float>(), velocity.data_ptr<float>(), parameter.numel(),
               {static_cast<float>(step.rate), static_cast<float>(step.momentum), static_cast<float>(step.decay), step.nesterov});
  // Who keeps something that was made of a parameter tells by this that it has changed.
  parameter.unsafeGetTensorImpl()->bump_version();
  velocity.unsafeGetTensorImpl()->bump_version();
}

}  // namespace reviewkd::ops
