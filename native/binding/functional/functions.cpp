#include "binding/functional/functions.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "binding/functional/function_table.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

constexpr const char* kGradientOfOutput = "gradientOfOutput";

const FunctionRow& row_of(const std::string& name) {
  for (const auto* rows : {&operation_rows(), &detection_rows()}) {
    for (const FunctionRow& row : *rows) {
      if (row.name == name) return row;
    }
  }
  fail(ErrorCode::kInternal, "invalid function: ", name, " is not in the table.");
}

/// The gradient of the differentiated output: a tensor among the inputs, or a number for all of it.
at::Tensor gradient_of(const at::Tensor& output, const TensorTree& inputs, const Options& options) {
  if (!output.defined()) fail(ErrorCode::kInternal, "invalid gradientOfOutput: this function has no gradient.");
  if (!inputs.has(kGradientOfOutput)) return at::full_like(output, options.number(kGradientOfOutput));
  const at::Tensor& gradient = inputs.tensor(kGradientOfOutput);
  if (gradient.sizes() != output.sizes()) {
    fail(ErrorCode::kShapeMismatch, "invalid gradientOfOutput: expected the shape of the output, ", output.sizes(),
         ", received ", gradient.sizes(), ".");
  }
  return gradient.to(output.options());
}

TensorTree differentiate(const FunctionRow& row, TensorTree inputs, const Options& options) {
  std::vector<at::Tensor> variables;
  auto& fields = std::get<TensorTree::Record>(inputs.content);
  for (auto& [name, field] : fields) {
    if (std::find(row.differentiable.begin(), row.differentiable.end(), name) == row.differentiable.end()) continue;
    for (const at::Tensor& variable : require_gradients(field)) variables.push_back(variable);
  }
  const at::AutoGradMode with_gradients(true);
  FunctionOutput output = row.compute(inputs, options);
  std::vector<at::Tensor> gradients(variables.size());
  if (output.differentiated.requires_grad()) {
    gradients = torch::autograd::grad({output.differentiated}, variables,
                                      {gradient_of(output.differentiated, inputs, options)}, std::nullopt,
                                      /*create_graph=*/false, /*allow_unused=*/true);
  }
  TensorTree::Record by_input;
  size_t next = 0;
  for (const auto& [name, field] : fields) {
    if (std::find(row.differentiable.begin(), row.differentiable.end(), name) == row.differentiable.end()) continue;
    by_input.emplace_back(name, with_tensors(field, gradients, next));
  }
  return TensorTree::Record{{"output", std::move(output.value)}, {"gradients", std::move(by_input)}};
}

}  // namespace

Napi::Value call_function(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const FunctionRow& row = row_of(string_of(info[0], "name"));
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [&row, inputs = tensor_tree_of(info[1], row.name), options = options_of(info[2], "options")] {
          if (inputs.has(kGradientOfOutput) || options.has(kGradientOfOutput))
            return differentiate(row, inputs, options);
          const torch::NoGradGuard no_grad;
          return row.compute(inputs, options).value;
        },
        [](Napi::Env env, const TensorTree& result) { return to_js(env, result); });
  });
}

}  // namespace reviewkd::binding
