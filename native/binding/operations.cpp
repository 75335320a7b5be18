#include "binding/operations.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/dataset.h"
#include "binding/errors.h"
#include "binding/runtime.h"
#include "binding/tensor.h"
#include "core/data/resident_images.h"
#include "core/device.h"
#include "core/distillation/hcl.h"
#include "core/ops/attention_fusion.h"
#include "core/ops/conv_norm.h"
#include "core/ops/device_rates.h"
#include "core/ops/dispatch.h"
#include "core/training/precision.h"

namespace reviewkd::binding {
namespace {

/// Where and by which path an operation is done.
struct Path {
  explicit Path(const Options& options)
      : reference(options.boolean("reference")),
        precision(options.boolean("bfloat16") ? Precision::kBfloat16 : Precision::kFloat32),
        device(parse_device(options.has("device") ? options.string("device") : "cpu")) {}

  bool reference;
  Precision precision;
  c10::Device device;
};

/// A copy on the path's device, of which gradients are asked for.
at::Tensor input_of(const at::Tensor& tensor, const Path& path, bool differentiates) {
  const auto order = tensor.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  return tensor.to(path.device).clone(order).set_requires_grad(differentiates);
}

std::vector<at::Tensor> tensors_of(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  for (uint32_t i = 0; i < list.Length(); ++i) tensors.push_back(*TensorHandle::unwrap(list.Get(i)));
  return tensors;
}

struct OperationResult {
  at::Tensor output;
  std::vector<at::Tensor> gradients;
  at::Tensor running_mean, running_variance;
};

OperationResult on_host(OperationResult result) {
  for (auto* tensor : {&result.output, &result.running_mean, &result.running_variance}) {
    if (tensor->defined()) *tensor = tensor->cpu();
  }
  for (auto& gradient : result.gradients) gradient = gradient.cpu();
  return result;
}

Napi::Object to_js(Napi::Env env, const OperationResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("output", TensorHandle::from(env, result.output));
  object.Set("gradients", to_array(env, result.gradients));
  return object;
}

}  // namespace

Napi::Value conv_norm_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Options options(info[2], "options");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [inputs = tensors_of(info[0]), gradient = *TensorHandle::unwrap(info[1]), stride = options.integer("stride"), relu = options.boolean("relu"),
         training = options.boolean("training"), path = Path(options)]() mutable {
          const ops::ReferenceScope scope(path.reference);
          const PrecisionScope computing(path.precision, path.device);
          for (auto& input : inputs) input = input_of(input, path, training);
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
          OperationResult result{output.detach(), {}, parameters.running_mean, parameters.running_variance};
          if (training) result.gradients = torch::autograd::grad({output}, inputs, {gradient.to(output.options())});
          return on_host(result);
        },
        [](Napi::Env env, const OperationResult& result) -> Napi::Value {
          Napi::Object object = to_js(env, result);
          object.Set("runningMean", TensorHandle::from(env, result.running_mean));
          object.Set("runningVariance", TensorHandle::from(env, result.running_variance));
          return object;
        });
  });
}

Napi::Value attention_fusion_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [inputs = tensors_of(info[0]), gradient = *TensorHandle::unwrap(info[1]), path = Path(Options(info[2], "options"))]() mutable {
          const ops::ReferenceScope scope(path.reference);
          const PrecisionScope computing(path.precision, path.device);
          for (auto& input : inputs) input = input_of(input, path, true);
          const at::Tensor output = ops::attention_fusion(inputs.at(0), inputs.at(1), inputs.at(2), inputs.at(3));
          return on_host({output.detach(), torch::autograd::grad({output}, inputs, {gradient.to(output.options())}), {}, {}});
        },
        [](Napi::Env env, const OperationResult& result) -> Napi::Value { return to_js(env, result); });
  });
}

Napi::Value pyramid_loss_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [maps = tensors_of(info[0]), path = Path(Options(info[1], "options"))]() mutable {
          const ops::ReferenceScope scope(path.reference);
          // Losses are outside of autocast: the maps have the type that a network gives them.
          for (auto& map : maps) {
            if (path.precision == Precision::kBfloat16) map = map.to(at::kBFloat16);
          }
          const at::Tensor student = input_of(maps.at(0), path, true);
          const at::Tensor loss = hierarchical_context_loss(student, input_of(maps.at(1), path, false));
          return on_host({loss.detach(), torch::autograd::grad({loss}, {student}), {}, {}});
        },
        [](Napi::Env env, const OperationResult& result) -> Napi::Value { return to_js(env, result); });
  });
}

Napi::Value device_batches_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Options options(info[2], "options");
    BatchPlan plan;
    plan.batch_size = options.integer("batchSize");
    plan.seed = static_cast<uint64_t>(options.integer("seed"));
    plan.epoch = options.integer("epoch");
    plan.shuffle = options.boolean("shuffle");
    plan.augment = options.boolean("augment");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [images = image_set_of(info[0], string_of(info[1], "split")), plan, device = parse_device(options.string("device"))] {
          std::vector<at::Tensor> all;
          const auto resident = images.resident ? images.resident(device) : nullptr;
          if (!resident) return all;
          const auto source = resident->open(plan);
          while (const auto batch = source->next()) {
            all.push_back(batch->images.cpu());
            all.push_back(batch->labels.cpu());
          }
          return all;
        },
        [](Napi::Env env, const std::vector<at::Tensor>& all) -> Napi::Value { return to_array(env, all); });
  });
}

Napi::Value kernel_rates_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Options options(info[0], "options");
    ops::RateOptions rates{.device = parse_device(options.string("device"))};
    rates.type = options.boolean("bfloat16") ? at::kBFloat16 : at::kFloat;
    rates.images = options.integer("images");
    rates.channels = options.integer("channels");
    rates.side = options.integer("side");
    rates.runs = options.integer("runs");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(), [rates] { return ops::measure_kernels(rates); },
        [](Napi::Env env, const std::vector<ops::KernelRate>& all) -> Napi::Value {
          Napi::Array list = Napi::Array::New(env, all.size());
          for (uint32_t i = 0; i < all.size(); ++i) {
            Napi::Object entry = Napi::Object::New(env);
            entry.Set("name", all[i].name);
            entry.Set("seconds", all[i].seconds);
            entry.Set("bytes", static_cast<double>(all[i].bytes));
            list.Set(i, entry);
          }
          return list;
        });
  });
}

}  // namespace reviewkd::binding
