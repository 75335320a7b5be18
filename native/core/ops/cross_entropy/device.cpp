#include "core/ops/cross_entropy/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

REVIEWKD_AUTOGRAD_FUNCTION(DeviceCrossEntropyFunction) {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& logits_in, const at::Tensor& labels) {
    const c10::OptionalDeviceGuard device(logits_in.device());
    const at::Tensor logits = logits_in.contiguous();
    const at::Tensor gradient = device_floats(logits.sizes(), logits);
    const at::Tensor results = device_floats({2}, logits);
    CrossEntropy call{};
    call.type = value_type(logits.scalar_type());
    call.rows = logits.size(0);
    call.classes = logits.size(1);
    call.logits = logits.const_data_ptr();
    call.labels = labels.const_data_ptr<int64_t>();
    call.gradient = gradient.data_ptr<float>();
    call.loss = results.data_ptr<float>();
    call.correct = results.data_ptr<float>() + 1;
    const KernelBackend& backend = *kernel_backend_of(logits.device().type());
    const at::Tensor scratch = device_floats({backend.cross_entropy_scratch(call)}, logits);
    call.scratch = scratch.data_ptr<float>();
    backend.cross_entropy(call);
    context->save_for_backward({gradient});
    context->saved_data["type"] = static_cast<int64_t>(logits.scalar_type());
    // Two tensors share memory: neither is modified again.
    const at::Tensor loss = results.select(0, 0).detach();
    const at::Tensor correct = results.select(0, 1).detach();
    context->mark_non_differentiable({correct});
    return {loss, correct};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor saved = context->get_saved_variables()[0];
    const c10::OptionalDeviceGuard device(saved.device());
    const at::Tensor factor = gradients[0].to(at::kFloat).contiguous();
    at::Tensor result = at::empty(
        saved.sizes(), saved.options().dtype(static_cast<at::ScalarType>(context->saved_data["type"].toInt())));
    kernel_backend_of(saved.device().type())
        ->scaled_copy({.type = value_type(result.scalar_type()),
                       .count = result.numel(),
                       .values = saved.const_data_ptr<float>(),
                       .factor = factor.const_data_ptr<float>(),
                       .out = result.data_ptr()});
    return {result, at::Tensor()};
  }
};

std::optional<Classified> cross_entropy_on_device(const at::Tensor& logits, const at::Tensor& labels) {
  const at::ScalarType type = logits.scalar_type();
  if (kernel_backend_for(logits) == nullptr || (type != at::kFloat && type != at::kBFloat16) || logits.dim() != 2 ||
      logits.numel() == 0 || logits.numel() > kMostPixels) {
    return std::nullopt;
  }
  const variable_list results = DeviceCrossEntropyFunction::apply(logits, labels.contiguous());
  return Classified{results[0], results[1]};
}

}  // namespace reviewkd::ops
