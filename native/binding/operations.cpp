#include "binding/operations.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/errors.h"
#include "binding/runtime.h"
#include "binding/tensor.h"
#include "core/ops/conv_norm.h"
#include "core/ops/dispatch.h"
#include "core/training/precision.h"

namespace reviewkd::binding {
namespace {

struct ConvNormResult {
  at::Tensor output;
  std::vector<at::Tensor> gradients;
  at::Tensor running_mean, running_variance;
};

}  // namespace

Napi::Value conv_norm_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto list = info[0].As<Napi::Array>();
    std::vector<at::Tensor> inputs;
    for (uint32_t i = 0; i < list.Length(); ++i) inputs.push_back(*TensorHandle::unwrap(list.Get(i)));
    const Options options(info[2], "options");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [inputs, gradient = *TensorHandle::unwrap(info[1]), stride = options.integer("stride"), relu = options.boolean("relu"),
         training = options.boolean("training"), reference = options.boolean("reference"),
         precision = options.boolean("bfloat16") ? Precision::kBfloat16 : Precision::kFloat32]() mutable {
          const ops::ReferenceScope path(reference);
          const PrecisionScope computing(precision, at::kCPU);
          for (auto& input : inputs) {
            input = input.clone(input.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous).set_requires_grad(training);
          }
          const at::Tensor& weight = inputs.at(1);
          const ops::ConvNormParameters parameters{
              .weight = weight, .bias = {}, .stride = stride, .padding = weight.size(2) / 2, .gamma = inputs.at(2), .beta = inputs.at(3),
              .running_mean = at::zeros({weight.size(0)}, weight.options().requires_grad(false)),
              .running_variance = at::ones({weight.size(0)}, weight.options().requires_grad(false)),
              .epsilon = 1e-5, .momentum = 0.1, .training = training,
          };
          ops::FoldedWeights folded;
          const at::Tensor residual = inputs.size() > 4 ? inputs[4] : at::Tensor();
          const at::AutoGradMode mode(training);
          const at::Tensor output = ops::conv_norm(inputs[0], parameters, folded, residual, relu);
          ConvNormResult result{output.detach(), {}, parameters.running_mean, parameters.running_variance};
          if (training) result.gradients = torch::autograd::grad({output}, inputs, {gradient.to(output.scalar_type())});
          return result;
        },
        [](Napi::Env env, const ConvNormResult& result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("output", TensorHandle::from(env, result.output));
          object.Set("gradients", to_array(env, result.gradients));
          object.Set("runningMean", TensorHandle::from(env, result.running_mean));
          object.Set("runningVariance", TensorHandle::from(env, result.running_variance));
          return object;
        });
  });
}

}  // namespace reviewkd::binding
