#include "core/ops/focal_loss/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

FocalLossSum focal_call(const at::Tensor& logits, const at::Tensor& classes, const FocalLoss& loss) {
  FocalLossSum call{};
  call.type = value_type(logits.scalar_type());
  call.anchors = logits.size(0);
  call.columns = logits.size(1);
  call.logits = logits.const_data_ptr();
  call.classes = classes.const_data_ptr<int64_t>();
  call.object_weight = loss.object_weight;
  call.background_weight = loss.background_weight;
  call.gamma = loss.gamma;
  return call;
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(DeviceFocalLossSumFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& logits_in, const at::Tensor& classes_in,
                          const FocalLoss& loss) {
    const c10::OptionalDeviceGuard device(logits_in.device());
    const KernelBackend& backend = *kernel_backend_of(logits_in.device().type());
    const at::Tensor logits = logits_in.contiguous(), classes = classes_in.contiguous();
    FocalLossSum call = focal_call(logits, classes, loss);
    const at::Tensor scratch = device_floats({backend.focal_loss_scratch(call)}, logits);
    at::Tensor sum = device_floats({}, logits);
    call.scratch = scratch.data_ptr<float>();
    call.loss = sum.data_ptr<float>();
    backend.focal_loss(call);
    context->save_for_backward({logits, classes});
    context->saved_data["weights"] = std::vector<double>{loss.object_weight, loss.background_weight, loss.gamma};
    return sum;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &logits = saved[0], &classes = saved[1];
    const c10::OptionalDeviceGuard device(logits.device());
    const std::vector<double> weights = context->saved_data["weights"].toDoubleVector();
    const at::Tensor factor = gradients[0].to(at::kFloat).contiguous();
    at::Tensor result = at::empty_like(logits);
    FocalLossSum call =
        focal_call(logits, classes,
                   {static_cast<float>(weights[0]), static_cast<float>(weights[1]), static_cast<float>(weights[2])});
    call.loss_gradient = factor.const_data_ptr<float>();
    call.gradient = result.data_ptr();
    kernel_backend_of(logits.device().type())->focal_loss_gradient(call);
    return {result, at::Tensor(), at::Tensor()};
  }
};

std::optional<at::Tensor> focal_loss_sum_on_device(const at::Tensor& logits, const at::Tensor& classes,
                                                   const FocalLoss& loss) {
  const at::ScalarType type = logits.scalar_type();
  if (kernel_backend_for(logits) == nullptr || (type != at::kFloat && type != at::kBFloat16) || logits.numel() == 0 ||
      logits.numel() > kMostPixels) {
    return std::nullopt;
  }
  return DeviceFocalLossSumFunction::apply(logits, classes, loss);
}

}  // namespace reviewkd::ops
