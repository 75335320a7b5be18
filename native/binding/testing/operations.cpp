#include "binding/testing/operations.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <functional>

#include "binding/data/dataset.h"
#include "binding/data/training_images.h"
#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/errors.h"
#include "binding/support/runtime.h"
#include "binding/testing/device_rates.h"
#include "core/distillation/hcl.h"
#include "core/ops/attention_fusion/attention_fusion.h"
#include "core/ops/backend/device.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/conv_norm/conv_norm.h"
#include "core/ops/convolution/tensor_convolution.h"
#include "core/training/state/precision.h"

namespace reviewkd::binding {
namespace {

struct Computed {
  at::Tensor output;
  std::vector<at::Tensor> gradients;  // of the inputs, in their order; empty unless requested
  std::vector<at::Tensor> statistics;
};

/// How and where an operation is computed, and whether it is differentiated.
struct OpOptions {
  explicit OpOptions(const Options& options)
      : fused(options.boolean("fused")),
        precision(options.boolean("bfloat16") ? Precision::kBfloat16 : Precision::kFloat32),
        differentiates(options.boolean("training")),
        device(parse_device(options.has("device") ? options.string("device") : "cpu")) {}

  bool fused;
  Precision precision;
  bool differentiates;
  c10::Device device;
};

/// Fills in `output` and `statistics`.
using Operation = std::function<void(const std::vector<at::Tensor>& inputs, Computed& computed)>;

/// Runs an operation on copies of the inputs, then backpropagates the gradient of its output. Arguments: inputs,
/// gradient, options.
Napi::Value run_operation(const Napi::CallbackInfo& info, Operation operation) {
  const auto list = info[0].As<Napi::Array>();
  std::vector<at::Tensor> inputs;
  inputs.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) inputs.push_back(*TensorHandle::unwrap(list.Get(i)));
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [inputs, gradient = *TensorHandle::unwrap(info[1]), options = OpOptions(options_of(info[2], "options")),
       operation = std::move(operation)]() mutable {
        const ops::ReferenceScope path(!options.fused);
        const PrecisionScope computing(options.precision, options.device);
        for (auto& input : inputs) {
          const auto order = input.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
          input = input.to(options.device).clone(order).set_requires_grad(options.differentiates);
        }
        const at::AutoGradMode mode(options.differentiates);
        Computed computed;
        operation(inputs, computed);
        if (options.differentiates) {
          computed.gradients =
              torch::autograd::grad({computed.output}, inputs, {gradient.to(computed.output.options())}, std::nullopt,
                                    /*create_graph=*/false, /*allow_unused=*/true);
        }
        computed.output = computed.output.detach().cpu();
        for (auto* tensors : {&computed.gradients, &computed.statistics}) {
          for (auto& tensor : *tensors) tensor = tensor.defined() ? tensor.cpu() : tensor;
        }
        return computed;
      },
      [](Napi::Env env, const Computed& computed) -> Napi::Value {
        std::vector<at::Tensor> gradients;
        for (const auto& gradient : computed.gradients) {
          if (gradient.defined()) gradients.push_back(gradient);
        }
        Napi::Object object = Napi::Object::New(env);
        object.Set("output", TensorHandle::from(env, computed.output));
        object.Set("gradients", to_array(env, gradients));
        object.Set("statistics", to_array(env, computed.statistics));
        return object;
      });
}

}  // namespace

Napi::Value conv_norm_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[2], "options");
    return run_operation(
        info, [stride = options.integer("stride"), relu = options.boolean("relu"),
               training = options.boolean("training")](const std::vector<at::Tensor>& inputs, Computed& computed) {
          const at::Tensor& weight = inputs.at(1);
          const ops::ConvNormParameters parameters{
              .weight = weight,
              .bias = {},
              .stride = stride,
              .padding = weight.size(2) / 2,
              .groups = inputs[0].size(1) / weight.size(1),
              .gamma = inputs.at(2),
              .beta = inputs.at(3),
              .running_mean = at::zeros({weight.size(0)}, weight.options().requires_grad(false)),
              .running_variance = at::ones({weight.size(0)}, weight.options().requires_grad(false)),
              .epsilon = 1e-5,
              .momentum = 0.1,
              .training = training,
          };
          ops::FoldedWeights folded;
          const at::Tensor residual = inputs.size() > 4 ? inputs[4] : at::Tensor();
          computed.output = ops::conv_norm(inputs[0], parameters, folded, residual, relu);
          computed.statistics = {parameters.running_mean, parameters.running_variance};
        });
  });
}

Napi::Value attention_fusion_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_operation(info, [](const std::vector<at::Tensor>& inputs, Computed& computed) {
      computed.output = ops::attention_fusion(inputs.at(0), inputs.at(1), inputs.at(2), inputs.at(3));
    });
  });
}

Napi::Value context_loss_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_operation(info, [](const std::vector<at::Tensor>& inputs, Computed& computed) {
      // Losses run outside autocast: the maps have the type that a network produces.
      const at::ScalarType type = ops::computing_type(inputs.at(0));
      computed.output = hierarchical_context_loss(inputs[0].to(type), inputs.at(1).detach().to(type));
    });
  });
}

Napi::Value device_batches_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[2], "options");
    const BatchPlan plan = BatchPlan::from(options);
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [images = training_images_of(info[0], string_of(info[1], "split")), plan,
         device = parse_device(options.string("device"))] {
          std::vector<at::Tensor> all;
          const auto resident = images.resident ? images.resident->on(device) : nullptr;
          if (!resident) return all;
          at::Tensor picks;
          const auto source = resident->open(plan, picks);
          while (const auto batch = source->next()) {
            all.push_back(batch->images.cpu());
            all.push_back(batch->targets.labels().cpu());
          }
          return all;
        },
        [](Napi::Env env, const std::vector<at::Tensor>& all) -> Napi::Value { return to_array(env, all); });
  });
}

Napi::Value tensor_convolution_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[1], "options");
    const auto tensors = info[0].As<Napi::Object>();
    const auto tensor = [&](const char* name) {
      return tensors.Has(name) ? *TensorHandle::unwrap(tensors.Get(name)) : at::Tensor();
    };
    const ops::TensorConvolutionInputs given{.x = tensor("x"),
                                             .weight = tensor("weight"),
                                             .stride = options.integer("stride"),
                                             .scale = tensor("scale"),
                                             .shift = tensor("shift"),
                                             .origin = tensor("origin")};
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [inputs = given, fused = options.boolean("fused"), device = parse_device(options.string("device"))]() mutable {
          const at::NoGradGuard plain;
          ops::TensorConvolutionResult result;
          for (auto* input : {&inputs.x, &inputs.weight, &inputs.scale, &inputs.shift, &inputs.origin}) {
            if (input->defined()) *input = input->to(device);
          }
          if (!fused) {
            result = ops::reference_tensor_convolution(inputs);
          } else if (ops::supports_tensor_convolution(inputs)) {
            result = ops::tensor_convolution(inputs, ops::pack_tensor_weights(inputs.weight));
          }
          for (auto* output : {&result.output, &result.moments}) {
            if (output->defined()) *output = output->to(at::kDouble).cpu();
          }
          if (result.moments.defined()) result.moments = result.moments.sum(0);
          return result;
        },
        [](Napi::Env env, const ops::TensorConvolutionResult& result) -> Napi::Value {
          if (!result.output.defined()) return env.Undefined();
          Napi::Object object = Napi::Object::New(env);
          object.Set("output", TensorHandle::from(env, result.output));
          object.Set("moments", result.moments.defined() ? TensorHandle::from(env, result.moments) : env.Undefined());
          return object;
        });
  });
}

Napi::Value kernel_rates_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "options");
    RateOptions rates{.device = parse_device(options.string("device"))};
    rates.type = options.boolean("bfloat16") ? at::kBFloat16 : at::kFloat;
    rates.images = options.integer("images");
    rates.channels = options.integer("channels");
    rates.side = options.integer("side");
    rates.runs = options.integer("runs");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(), [rates] { return measure_kernels(rates); },
        [](Napi::Env env, const std::vector<KernelRate>& all) -> Napi::Value {
          Napi::Array list = Napi::Array::New(env, all.size());
          for (uint32_t i = 0; i < all.size(); ++i) {
            Napi::Object entry = Napi::Object::New(env);
            entry.Set("name", all[i].name);
            entry.Set("seconds", all[i].seconds);
            entry.Set("bytes", static_cast<double>(all[i].bytes));
            entry.Set("operations", static_cast<double>(all[i].operations));
            list.Set(i, entry);
          }
          return list;
        });
  });
}

}  // namespace reviewkd::binding
