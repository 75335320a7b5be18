#include "core/ops/scalar_sum/scalar_sum.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

REVIEWKD_AUTOGRAD_FUNCTION(ScalarSumFunction) {
 public:
  static Variable forward(AutogradContext* context, at::TensorList terms, const std::vector<double>& weights) {
    const c10::OptionalDeviceGuard device(terms[0].device());
    at::Tensor sum = at::empty({}, terms[0].options().dtype(at::kDouble));
    ScalarSum call{};
    for (size_t i = 0; i < terms.size(); ++i) {
      call.terms[i] = terms[i].const_data_ptr<float>();
      call.weights[i] = weights[i];
    }
    call.count = static_cast<int32_t>(terms.size());
    call.sum = sum.data_ptr<double>();
    kernel_backend_of(sum.device().type())->scalar_sum(call);
    context->saved_data["weights"] = weights;
    return sum;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const std::vector<double> weights = context->saved_data["weights"].toDoubleVector();
    const at::Tensor gradient = gradients[0].to(at::kDouble).contiguous();
    const c10::OptionalDeviceGuard device(gradient.device());
    const at::Tensor out = device_floats({static_cast<int64_t>(weights.size())}, gradient);
    ScalarSumGradient call{};
    std::copy(weights.begin(), weights.end(), call.weights);
    call.count = static_cast<int32_t>(weights.size());
    call.gradient = gradient.const_data_ptr<double>();
    call.out = out.data_ptr<float>();
    kernel_backend_of(gradient.device().type())->scalar_sum_gradient(call);
    variable_list result;
    for (int64_t i = 0; i < out.size(0); ++i) result.push_back(out.select(0, i));
    result.emplace_back();  // of the weights
    return result;
  }
};

at::Tensor scalar_sum(const std::vector<at::Tensor>& terms, const std::vector<double>& weights) {
  TORCH_INTERNAL_ASSERT(!terms.empty() && terms.size() == weights.size());
  const bool fast =
      kernel_backend_for(terms[0]) != nullptr && terms.size() <= kMostScalars &&
      std::all_of(terms.begin(), terms.end(), [](const auto& term) { return term.scalar_type() == at::kFloat; });
  if (fast) return ScalarSumFunction::apply(at::TensorList(terms), weights);
  at::Tensor sum;
  for (size_t i = 0; i < terms.size(); ++i) {
    const at::Tensor term = weights[i] * terms[i].to(at::kDouble);
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

}  // namespace reviewkd::ops
