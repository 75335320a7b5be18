#include "binding/objects/distiller.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "binding/objects/detector.h"
#include "binding/objects/model.h"
#include "binding/objects/tensor.h"
#include "binding/objects/weights.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/base/numeric.h"
#include "core/distillation/hcl.h"
#include "core/distillation/methods/registry.h"
#include "core/tasks/classification/classification.h"
#include "core/tasks/detection/detection.h"
#include "core/training/profile_pair.h"
#include "core/training/state/precision.h"
#include "core/training/state/training.h"

namespace reviewkd::binding {
namespace {

struct TermResult {
  std::string kind;
  double loss;
  std::vector<double> per_stage;
};

struct ForwardResult {
  at::Tensor student_logits;
  at::Tensor teacher_logits;
  std::vector<at::Tensor> student_maps;
  std::vector<at::Tensor> teacher_maps;
  std::vector<TermResult> terms;
};

ForwardResult forward_once(Distiller& distiller, const at::Tensor& images, const at::Tensor& labels) {
  image_size_of(images);
  if (labels.defined()) check_labels(labels, images, distiller.student().module->num_classes());
  const NetworkLock lock(distiller.student(), &distiller.teacher());
  const torch::NoGradGuard no_grad;
  const auto device = distiller.student().device();
  const DistillerOutput output = distiller.forward(as_input(images, distiller.student().dtype(), device),
                                                   labels.defined() ? labels.to(device) : labels);
  ForwardResult result{for_javascript(output.student.logits), for_javascript(output.teacher.logits), {}, {}, {}};
  for (size_t k = 0; k < output.terms.size(); ++k) {
    const MethodOutput& method = output.terms[k];
    for (const auto& tensor : method.student_maps) result.student_maps.push_back(for_javascript(tensor));
    for (const auto& tensor : method.teacher_maps) result.teacher_maps.push_back(for_javascript(tensor));
    TermResult term{distiller.terms()[k].kind, method.loss.item<double>(), {}};
    for (const auto& loss : method.per_stage) term.per_stage.push_back(loss.item<double>());
    result.terms.push_back(std::move(term));
  }
  return result;
}

TensorTree forward_detectors(Distiller& distiller, const std::vector<at::Tensor>& images) {
  const NetworkLock lock(distiller.student(), &distiller.teacher());
  const torch::NoGradGuard no_grad;
  auto& student = detector_of(*distiller.student().module);
  const ImageBatch batch = student.input().prepare(images_for(distiller.student(), images));
  const DistillerOutput output = distiller.forward(batch, {});
  std::vector<at::Tensor> student_maps, teacher_maps;
  TensorTree::List per_stage;
  for (const MethodOutput& term : output.terms) {
    student_maps.insert(student_maps.end(), term.student_maps.begin(), term.student_maps.end());
    teacher_maps.insert(teacher_maps.end(), term.teacher_maps.begin(), term.teacher_maps.end());
    for (const at::Tensor& loss : term.per_stage) per_stage.push_back(loss.item<double>());
  }
  return TensorTree::Record{
      {"student", detector_output(student, batch, output.student, /*training=*/true)},
      {"teacher", pyramid_output(detector_of(*distiller.teacher().module), batch, output.teacher)},
      {"reviewOutputs", student_maps},
      {"teacherFeatures", teacher_maps},
      {"perStage", std::move(per_stage)},
  };
}

Napi::Array to_js(Napi::Env env, const std::vector<TermResult>& terms) {
  Napi::Array array = Napi::Array::New(env, terms.size());
  for (uint32_t k = 0; k < terms.size(); ++k) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("kind", terms[k].kind);
    object.Set("loss", terms[k].loss);
    object.Set("perStage", to_array(env, terms[k].per_stage));
    array.Set(k, object);
  }
  return array;
}

Napi::Object to_js(Napi::Env env, const NetworkCost& cost) {
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* field, int64_t value) { object.Set(field, static_cast<double>(value)); };
  set("multiplyAdds", cost.multiply_adds);
  set("pyramidMultiplyAdds", cost.pyramid_multiply_adds);
  set("pyramidParameters", cost.pyramid_parameters);
  return object;
}

}  // namespace

void DistillerHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("parameters", &DistillerHandle::parameters),
                 InstanceMethod("forward", &DistillerHandle::forward),
                 InstanceMethod("forwardImages", &DistillerHandle::forward_images),
                 InstanceMethod("matching", &DistillerHandle::matching),
                 InstanceMethod("measure", &DistillerHandle::measure),
                 InstanceMethod("stateDict", &DistillerHandle::get_state_dict),
                 InstanceMethod("loadStateDict", &DistillerHandle::put_state_dict));
}

Napi::Value DistillerHandle::parameters(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(parameter_count(resource()->modules())));
  });
}

Napi::Value DistillerHandle::forward(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), images = TensorHandle::unwrap(info[0]),
         labels = info[1].IsUndefined() ? std::make_shared<at::Tensor>() : TensorHandle::unwrap(info[1])] {
          return forward_once(*distiller, *images, *labels);
        },
        [](Napi::Env env, const ForwardResult& result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("studentLogits", TensorHandle::from(env, result.student_logits));
          object.Set("teacherLogits", TensorHandle::from(env, result.teacher_logits));
          object.Set("reviewOutputs", to_array(env, result.student_maps));
          object.Set("teacherFeatures", to_array(env, result.teacher_maps));
          object.Set("terms", to_js(env, result.terms));
          return object;
        });
  });
}

Napi::Value DistillerHandle::forward_images(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const TensorTree inputs = TensorTree::Record{{"images", tensor_tree_of(info[0], "images")}};
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), images = inputs.tensors("images")] { return forward_detectors(*distiller, images); },
        [](Napi::Env env, const TensorTree& output) { return to_js(env, output); });
  });
}

Napi::Value DistillerHandle::matching(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const auto distiller = resource();
    const Matching& matching = distiller->matching();
    Napi::Array stages = Napi::Array::New(env, matching.stages.size());
    for (uint32_t i = 0; i < matching.stages.size(); ++i) {
      Napi::Object stage = Napi::Object::New(env);
      stage.Set("student", matching.stages[i].student.name);
      stage.Set("teacher", matching.stages[i].teacher.name);
      stages.Set(i, stage);
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("stages", stages);
    object.Set("note", matching.note ? Napi::Value(Napi::String::New(env, *matching.note)) : env.Null());
    return object;
  });
}

Napi::Value DistillerHandle::measure(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const ImageSize image{integer_of(info[0], "height"), integer_of(info[1], "width")};
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), image, batch_size = integer_of(info[2], "batchSize"),
         stop = StopFlagHandle::unwrap(info[3])] { return profile_pair(distiller, image, batch_size, *stop); },
        [](Napi::Env env, const PairCost& cost) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          const auto set = [&](const char* field, int64_t value) { object.Set(field, static_cast<double>(value)); };
          Napi::Array input_size = Napi::Array::New(env, 2);
          input_size.Set(0u, static_cast<double>(cost.input_size.height));
          input_size.Set(1u, static_cast<double>(cost.input_size.width));
          object.Set("inputSize", input_size);
          object.Set("teacher", to_js(env, cost.teacher));
          object.Set("student", to_js(env, cost.student));
          set("trainingOnlyMultiplyAdds", cost.training_only_multiply_adds);
          set("stateBytes", cost.state_bytes);
          set("momentumBytes", cost.momentum_bytes);
          set("stepBytes", cost.step_bytes);
          set("mappedBytes", cost.mapped_bytes);
          Napi::Array measured = Napi::Array::New(env, cost.measured_batches.size());
          for (uint32_t i = 0; i < cost.measured_batches.size(); ++i)
            measured.Set(i, static_cast<double>(cost.measured_batches[i]));
          object.Set("measuredBatches", measured);
          return object;
        });
  });
}

Napi::Value DistillerHandle::get_state_dict(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), names = state_names_of(info[0])] {
          const NetworkLock lock(distiller->student());
          return detached_copy(to_names(distiller->student(), distiller_state(*distiller), names));
        },
        to_entries);
  });
}

Napi::Value DistillerHandle::put_state_dict(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [distiller = resource(), source = entries_of(info[0]), strict = info[1].ToBoolean().Value(),
         names = state_names_of(info[2])] {
          const NetworkLock lock(distiller->student());
          LoadReport report =
              load_state_dict(distiller_state(*distiller), from_names(distiller->student(), source, names), strict);
          // The methods' modules can be loaded alone.
          const bool has_student = std::any_of(source.begin(), source.end(),
                                               [](const auto& entry) { return entry.first.starts_with("student."); });
          if (has_student) distiller->student().is_untrained = false;
          return report;
        },
        [](Napi::Env env, const LoadReport& report) { return to_js(env, report); });
  });
}

Napi::Value create_distiller(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [teacher = ModelHandle::unwrap(info[0]), student = ModelHandle::unwrap(info[1]),
         method = options_of(info[2], "method"), seed = static_cast<uint64_t>(integer_of(info[3], "seed"))] {
          return build_distiller(teacher, student, method, seed);
        },
        [](Napi::Env env, const std::shared_ptr<Distiller>& distiller) -> Napi::Value {
          return DistillerHandle::create(env, distiller, bytes_of(distiller->modules()));
        });
  });
}

Napi::Value hierarchical_context_loss_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    struct Result {
      double loss;
      at::Tensor gradient;
    };
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [student = TensorHandle::unwrap(info[0]), teacher = TensorHandle::unwrap(info[1])] {
          if (!student->is_floating_point() || !teacher->is_floating_point()) {
            fail(ErrorCode::kDtypeMismatch,
                 "invalid maps for the hierarchical context loss: expected floating-point types, received ",
                 type_name(student->scalar_type()), " and ", type_name(teacher->scalar_type()), ".");
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
