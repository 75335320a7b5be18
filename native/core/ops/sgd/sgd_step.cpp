#include "core/ops/sgd/sgd_step.h"

#include <ATen/ATen.h>

#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

bool is_fast(const at::Tensor& values) {
  return values.is_cpu() && values.scalar_type() == at::kFloat && values.is_non_overlapping_and_dense();
}

/// Whether values of the same sizes lie in the same order in memory. Strides of dimensions of one element say nothing.
bool have_same_order(const at::Tensor& a, const at::Tensor& b) {
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
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
      !have_same_order(parameter, momentum_buffer)) {
    return sgd_step_reference(parameter, gradient, momentum_buffer, step);
  }
  // The same bits whatever the order of the gradient, which depends on the operation that it comes from.
  const at::Tensor ordered =
      have_same_order(parameter, gradient) ? gradient : at::empty_like(parameter).copy_(gradient);
  sgd_kernel()(parameter.data_ptr<float>(), ordered.const_data_ptr<float>(), momentum_buffer.data_ptr<float>(),
               parameter.numel(),
               {static_cast<float>(step.rate), static_cast<float>(step.momentum), static_cast<float>(step.decay),
                step.nesterov});
  // Caches derived from a parameter detect the change by its version.
  parameter.unsafeGetTensorImpl()->bump_version();
  momentum_buffer.unsafeGetTensorImpl()->bump_version();
}

}  // namespace reviewkd::ops
