#include "core/ops/sgd/sgd_step.h"

#include <ATen/ATen.h>

#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

bool is_fast(const at::Tensor& values) {
  return values.is_cpu() && values.scalar_type() == at::kFloat && values.is_non_overlapping_and_dense();
}

}  // namespace

void sgd_step_reference(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& momentum_buffer,
                        const SgdStep& step) {
  const at::Tensor decayed = step.decay != 0 ? gradient.add(parameter, step.decay) : gradient;
  momentum_buffer.mul_(step.momentum).add_(decayed);
  parameter.sub_(step.nesterov ? decayed.add(momentum_buffer, step.momentum) : momentum_buffer, step.rate);
}

void sgd_step(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& momentum_buffer, const SgdStep& step) {
  if (takes_reference_path() || !is_fast(parameter) || !is_fast(gradient) || !is_fast(momentum_buffer) ||
      parameter.strides() != gradient.strides() || parameter.strides() != momentum_buffer.strides()) {
    return sgd_step_reference(parameter, gradient, momentum_buffer, step);
  }
  sgd_kernel()(parameter.data_ptr<float>(), gradient.const_data_ptr<float>(), momentum_buffer.data_ptr<float>(),
               parameter.numel(),
               {static_cast<float>(step.rate), static_cast<float>(step.momentum), static_cast<float>(step.decay),
                step.nesterov});
  // Caches derived from a parameter detect the change by its version.
  parameter.unsafeGetTensorImpl()->bump_version();
  momentum_buffer.unsafeGetTensorImpl()->bump_version();
}

}  // namespace reviewkd::ops
