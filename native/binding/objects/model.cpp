#include "binding/objects/model.h"

#include <torch/csrc/autograd/grad_mode.h>

#include "binding/data/evaluate.h"
#include "binding/data/training_images.h"
#include "binding/functional/tensor_tree.h"
#include "binding/objects/detector.h"
#include "binding/objects/session_results.h"
#include "binding/objects/tensor.h"
#include "binding/objects/weights.h"
#include "binding/onnx/onnx_graph.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/checkpoint/network_weights.h"
#include "core/checkpoint/weights_file.h"
#include "core/data/augmentation.h"
#include "core/models/backbones/registry.h"
#include "core/models/init.h"
#include "core/ops/backend/allocator.h"
#include "core/ops/backend/device.h"
#include "core/tasks/registry.h"
#include "core/training/profile_pair.h"

namespace reviewkd::binding {
namespace {

Napi::Array to_js(Napi::Env env, const std::vector<FeatureSpec>& specs) {
  Napi::Array array = Napi::Array::New(env, specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    Napi::Object spec = Napi::Object::New(env);
    spec.Set("name", specs[i].name);
    spec.Set("channels", static_cast<double>(specs[i].channels));
    spec.Set("height", static_cast<double>(specs[i].height));
    spec.Set("width", static_cast<double>(specs[i].width));
    array.Set(i, spec);
  }
  return array;
}

Napi::Array to_js(Napi::Env env, const ImageSize& size) {
  Napi::Array array = Napi::Array::New(env, 2);
  array.Set(0u, static_cast<double>(size.height));
  array.Set(1u, static_cast<double>(size.width));
  return array;
}

std::shared_ptr<Network> build(const std::string& name, int64_t classes, uint64_t seed, at::ScalarType dtype,
                               at::Device device) {
  const ModelEntry& entry = find_model(name);
  auto network = std::make_shared<Network>();
  network->name = name;
  network->module = entry.build(classes);
  network->module->initialize(init::generator(seed));
  init::place(*network->module, device, dtype);
  network->module->eval();
  return network;
}

}  // namespace

int64_t bytes_of(const torch::nn::Module& module) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : state_dict(module)) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

void ModelHandle::define(Napi::Env env) {
  Handle::define(
      env, InstanceMethod("describe", &ModelHandle::describe),
      InstanceMethod("featureSpecs", &ModelHandle::feature_specs), InstanceMethod("forward", &ModelHandle::forward),
      InstanceMethod("stateDict", &ModelHandle::get_state_dict),
      InstanceMethod("loadStateDict", &ModelHandle::put_state_dict), InstanceMethod("save", &ModelHandle::save),
      InstanceMethod("load", &ModelHandle::load), InstanceMethod("loadDetector", &ModelHandle::load_detector),
      InstanceMethod("classify", &ModelHandle::classify), InstanceMethod("evaluate", &ModelHandle::evaluate),
      InstanceMethod("task", &ModelHandle::task), InstanceMethod("detect", &ModelHandle::detect),
      InstanceMethod("forwardImages", &ModelHandle::forward_images),
      InstanceMethod("traceOnnx", &ModelHandle::trace_onnx), InstanceMethod("cost", &ModelHandle::cost));
}

Napi::Object ModelHandle::from(Napi::Env env, std::shared_ptr<Network> network) {
  const int64_t bytes = bytes_of(*network->module);
  return create(env, std::move(network), bytes);
}

Napi::Value ModelHandle::describe(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto network = resource();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("name", network->name);
    object.Set("numClasses", static_cast<double>(network->module->num_classes()));
    object.Set("parameters", static_cast<double>(parameter_count(*network->module)));
    int64_t trainable = 0;
    for (const auto& parameter : network->module->trainable_parameters()) trainable += parameter.numel();
    object.Set("trainableParameters", static_cast<double>(trainable));
    object.Set("dtype", dtype_name(network->dtype()));
    object.Set("device", network->device().is_cuda() ? "cuda" : "cpu");
    object.Set("untrained", network->is_untrained.load());
    for (const ModelEntry& entry : model_registry()) {
      if (entry.name == network->name) object.Set("imageSize", to_js(info.Env(), entry.image_size));
    }
    return object;
  });
}

Napi::Value ModelHandle::feature_specs(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const ImageSize image{integer_of(info[0], "height"), integer_of(info[1], "width")};
    return to_js(info.Env(), resource()->module->feature_specs(image));
  });
}

Napi::Value ModelHandle::forward(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto network = resource();
    const auto images = TensorHandle::unwrap(info[0]);
    const Options options = options_of(info[1], "options");
    const bool train = options.choice<bool>("mode", {{"eval", false}, {"train", true}});
    const bool features = options.boolean("features");
    struct Result {
      BackboneOutput output;
      std::vector<FeatureSpec> specs;
    };
    const auto work = [network, images, train, features] {
      const ImageSize size = image_size_of(*images);
      const NetworkLock lock(*network);
      const torch::NoGradGuard no_grad;
      network->module->train(train);
      Result result{network->module->forward(as_input(*images, network->dtype(), network->device())),
                    network->module->feature_specs(size)};
      result.output.logits = for_javascript(result.output.logits);
      if (!features) result.output.features.clear();
      for (auto& feature : result.output.features)
        feature = {for_javascript(feature.before), for_javascript(feature.after)};
      return result;
    };
    const auto convert = [](Napi::Env env, Result& result) -> Napi::Value {
      Napi::Array features = Napi::Array::New(env, result.output.features.size());
      for (size_t i = 0; i < result.output.features.size(); ++i) {
        Napi::Object feature = Napi::Object::New(env);
        feature.Set("name", result.specs.at(i).name);
        feature.Set("before", TensorHandle::from(env, result.output.features[i].before));
        feature.Set("after", TensorHandle::from(env, result.output.features[i].after));
        features.Set(i, feature);
      }
      Napi::Object object = Napi::Object::New(env);
      object.Set("logits", TensorHandle::from(env, result.output.logits));
      object.Set("features", features);
      return object;
    };
    return run_async(info.Env(), Runtime::of(info.Env()).background(), work, convert);
  });
}

Napi::Value ModelHandle::get_state_dict(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [network = resource(), names = state_names_of(info[0])] {
          const NetworkLock lock(*network);
          return detached_copy(to_names(*network, state_dict(*network->module), names));
        },
        to_entries);
  });
}

Napi::Value ModelHandle::put_state_dict(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [network = resource(), source = entries_of(info[0]), strict = info[1].ToBoolean().Value(),
         names = state_names_of(info[2])] {
          const NetworkLock lock(*network);
          LoadReport report =
              load_state_dict(state_dict(*network->module), from_names(*network, source, names), strict);
          network->is_untrained = false;
          return report;
        },
        [](Napi::Env env, const LoadReport& report) { return to_js(env, report); });
  });
}

Napi::Value ModelHandle::save(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [network = resource(), path = string_of(info[0], "path"), metadata = metadata_of(info[1], "metadata"),
         names = state_names_of(info[2])] {
          check_weights_ending(path);
          NamedTensors tensors;
          {
            const NetworkLock lock(*network);
            tensors = detached_copy(to_names(*network, state_dict(*network->module), names));
          }
          write_weights(path, tensors, metadata);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value ModelHandle::load(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [network = resource(), path = weights_path_of(info[0]), strict = info[1].ToBoolean().Value(),
         key = string_of(info[2], "key")] {
          const WeightsFile file = read_weights(path, {.key = key, .network = true});
          const NetworkLock lock(*network);
          LoadReport report = load_weights(state_dict(*network->module), file, path.name, strict);
          network->is_untrained = false;
          return report;
        },
        [](Napi::Env env, const LoadReport& report) { return to_js(env, report); });
  });
}

Napi::Value ModelHandle::task(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return to_js(info.Env(), task_of(*resource())->info()); });
}

Napi::Value ModelHandle::load_detector(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return load_detector_with(info, resource()); });
}

Napi::Value ModelHandle::detect(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return detect_with(info, resource()); });
}

Napi::Value ModelHandle::forward_images(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return forward_detector(info, resource()); });
}

Napi::Value ModelHandle::trace_onnx(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return binding::trace_onnx(info, resource()); });
}

Napi::Value ModelHandle::cost(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [network = resource(), size = ImageSize{integer_of(info[0], "height"), integer_of(info[1], "width")},
         most_bytes = integer_of(info[2], "memory")] {
          const MemoryLimit limit(most_bytes);
          return count_arithmetic(*network, size);
        },
        [](Napi::Env env, const NetworkCost& cost) -> Napi::Value {
          return Napi::Number::New(env, static_cast<double>(cost.multiply_adds));
        });
  });
}

Napi::Value ModelHandle::classify(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const TensorTree inputs = TensorTree::Record{{"images", tensor_tree_of(info[0], "images")}};
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [network = resource(), images = inputs.tensors("images"),
         normalization = Normalization::from(options_of(info[1], "normalization"))] {
          return class_probabilities(*network, normalized_batch(images, normalization));
        },
        [](Napi::Env env, const at::Tensor& probabilities) { return TensorHandle::from(env, probabilities); });
  });
}

Napi::Value ModelHandle::evaluate(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    // Who fills a queue may need the thread in the background for it, which must not wait for him.
    const bool waits = is_queue(info[0]);
    const auto thread = waits ? Runtime::of(info.Env()).new_thread() : Runtime::of(info.Env()).background();
    const Napi::Value result = evaluate_on(info, thread, resource(), task_of(*resource()), [] {});
    if (waits) thread->close();
    return result;
  });
}

Napi::Value create_model(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "options");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [name = options.string("name"), classes = options.integer("numClasses"),
         seed = static_cast<uint64_t>(options.integer("seed")), dtype = parse_dtype(options.string("dtype")),
         device = options.string("device")] { return build(name, classes, seed, dtype, parse_device(device)); },
        [](Napi::Env env, const std::shared_ptr<Network>& network) -> Napi::Value {
          return ModelHandle::from(env, network);
        });
  });
}

Napi::Value create_detector(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [options = options_of(info[0], "options")] { return build_detector_network(options); },
        [](Napi::Env env, const std::shared_ptr<Network>& network) -> Napi::Value {
          return ModelHandle::from(env, network);
        });
  });
}

Napi::Value list_image_sizes(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    Napi::Object sizes = Napi::Object::New(info.Env());
    for (const ModelEntry& entry : model_registry()) sizes.Set(entry.name, to_js(info.Env(), entry.image_size));
    return sizes;
  });
}

Napi::Value list_models(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const auto& registry = model_registry();
    Napi::Array rows = Napi::Array::New(env, registry.size());
    for (size_t i = 0; i < registry.size(); ++i) {
      const ModelEntry& entry = registry[i];
      const Backbone module = entry.build(entry.published_classes);
      Napi::Object row = Napi::Object::New(env);
      row.Set("name", entry.name);
      row.Set("source", entry.source);
      row.Set("imageSize", to_js(env, entry.image_size));
      row.Set("numClasses", static_cast<double>(entry.published_classes));
      row.Set("parameters", static_cast<double>(parameter_count(*module)));
      row.Set("features", to_js(env, module->feature_specs(entry.image_size)));
      rows.Set(i, row);
    }
    return rows;
  });
}

}  // namespace reviewkd::binding
