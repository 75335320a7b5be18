#include "binding/distiller.h"

#include <torch/csrc/autograd/grad_mode.h>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/model.h"
#include "binding/tensor.h"
#include "core/distillation/hcl.h"
#include "core/models/init.h"
#include "core/registry.h"
#include "core/training/precision.h"
#include "core/training/session.h"

namespace reviewkd::binding {
namespace {

FeatureTap tap_of(const Options& options, const char* field) {
  return options.choice<FeatureTap>(field, {{"before", FeatureTap::kBefore}, {"after", FeatureTap::kAfter}});
}

MethodOptions method_options_of(const Options& options) {
  MethodOptions method;
  method.kind = options.string("kind");
  method.teacher_features = tap_of(options, "teacherFeatures");
  method.student_features = tap_of(options, "studentFeatures");
  if (options.has("midChannels")) method.mid_channels = options.integer("midChannels");
  return method;
}

DistillerOptions distiller_options_of(const Options& options) {
  return {
      .teacher_mode = options.choice<TeacherMode>("teacherMode", {{"eval", TeacherMode::kEval}, {"train", TeacherMode::kTrain}}),
      .weight = options.number("weight"),
      .warmup_epochs = options.number("warmupEpochs"),
  };
}

struct ForwardResult {
  at::Tensor student_logits;
  at::Tensor teacher_logits;
  std::vector<at::Tensor> outputs;
  std::vector<at::Tensor> targets;
  std::vector<double> per_stage;
};

ForwardResult forward_once(Distiller& distiller, const at::Tensor& images) {
  image_size_of(images);
  const std::scoped_lock lock(distiller.student().mutex, distiller.teacher().mutex);
  const torch::NoGradGuard no_grad;
  const DistillerOutput output = distiller.forward(as_input(images, distiller.student().dtype(), distiller.student().device()));
  ForwardResult result{for_javascript(output.student.logits), for_javascript(output.teacher.logits), {}, {}, {}};
  for (const auto& tensor : output.method.outputs) result.outputs.push_back(for_javascript(tensor));
  for (const auto& tensor : output.method.targets) result.targets.push_back(for_javascript(tensor));
  for (const auto& loss : output.method.per_stage) result.per_stage.push_back(loss.item<double>());
  return result;
}

}  // namespace

void DistillerHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("parameters", &DistillerHandle::parameters), InstanceMethod("forward", &DistillerHandle::forward),
                 InstanceMethod("stateDict", &DistillerHandle::get_state_dict),
                 InstanceMethod("loadStateDict", &DistillerHandle::put_state_dict));
}

Napi::Value DistillerHandle::parameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(parameter_count(resource()->method()))); });
}

Napi::Value DistillerHandle::forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), images = TensorHandle::unwrap(info[0])] { return forward_once(*distiller, *images); },
        [](Napi::Env env, const ForwardResult& result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("studentLogits", TensorHandle::from(env, result.student_logits));
          object.Set("teacherLogits", TensorHandle::from(env, result.teacher_logits));
          object.Set("reviewOutputs", to_array(env, result.outputs));
          object.Set("teacherFeatures", to_array(env, result.targets));
          object.Set("perStage", to_array(env, result.per_stage));
          return object;
        });
  });
}

Napi::Value DistillerHandle::get_state_dict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource()] {
          const std::lock_guard lock(distiller->student().mutex);
          return detached_copy(distiller_state(*distiller));
        },
        to_entries);
  });
}

Napi::Value DistillerHandle::put_state_dict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), source = entries_of(info[0]), strict = info[1].ToBoolean().Value()] {
          const std::lock_guard lock(distiller->student().mutex);
          return load_state_dict(distiller_state(*distiller), source, strict);
        },
        [](Napi::Env env, const LoadReport& report) { return to_js(env, report); });
  });
}

Napi::Value create_distiller(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Options options(info[2], "method");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [teacher = ModelHandle::unwrap(info[0]), student = ModelHandle::unwrap(info[1]), method = method_options_of(options),
         distiller = distiller_options_of(options), seed = static_cast<uint64_t>(integer_of(info[3], "seed"))] {
          const Method built = find_method(method.kind).build(*student->module, *teacher->module, method);
          built->initialize(init::generator(seed));
          return std::make_shared<Distiller>(teacher, student, built, distiller);
        },
        [](Napi::Env env, const std::shared_ptr<Distiller>& distiller) -> Napi::Value {
          return DistillerHandle::create(env, distiller, bytes_of(distiller->method()));
        });
  });
}

Napi::Value hierarchical_context_loss_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    struct Result {
      double loss;
      at::Tensor gradient;
    };
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [student = TensorHandle::unwrap(info[0]), teacher = TensorHandle::unwrap(info[1])] {
          if (!student->is_floating_point() || !teacher->is_floating_point()) {
            fail(ErrorCode::kDtypeMismatch, "expected two floating point maps for the hierarchical context loss, got ",
                 student->scalar_type(), " and ", teacher->scalar_type());
          }
          const at::Tensor map = student->detach().clone().set_requires_grad(true);
          const at::Tensor loss = hierarchical_context_loss(map, *teacher);
          loss.backward();
          return Result{loss.item<double>(), map.grad()};
        },
        [](Napi::Env env, const Result& result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("loss", result.loss);
          object.Set("gradient", TensorHandle::from(env, result.gradient));
          return object;
        });
  });
}

}  // namespace reviewkd::binding
