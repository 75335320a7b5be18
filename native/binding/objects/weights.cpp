#include "binding/objects/weights.h"

#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/checkpoint/architecture_match.h"
#include "core/checkpoint/network_weights.h"
#include "core/checkpoint/weights_file.h"
#include "core/models/detection/detector_file.h"

namespace reviewkd::binding {
namespace {

/// A table with what a detector needs to know of it.
struct WeightsDescription {
  TensorTable table;
  detection::DetectorFile detector;
};

const char* to_string(detection::FileNames names) {
  switch (names) {
    case detection::FileNames::kTorchvision: return "torchvision";
    case detection::FileNames::kTorchvisionOld: return "torchvision-old";
    case detection::FileNames::kDetectron2: return "detectron2";
  }
  return "";
}

const char* to_string(DetectorKind kind) {
  switch (kind) {
    case DetectorKind::kFasterRcnn: return "faster-rcnn";
    case DetectorKind::kMaskRcnn: return "mask-rcnn";
    case DetectorKind::kRetinaNet: return "retinanet";
  }
  return "";
}

Napi::Object to_js(Napi::Env env, const detection::DetectorFile& file) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("names", to_string(file.names));
  object.Set("kind", file.kind ? Napi::String::New(env, to_string(*file.kind)) : env.Null());
  object.Set("numClasses",
             file.num_classes ? Napi::Number::New(env, static_cast<double>(*file.num_classes)) : env.Null());
  const auto source = [&] { return *file.extra == detection::ExtraLevels::kFromP5 ? "p5" : "c5"; };
  object.Set("p6Source", file.extra ? Napi::String::New(env, source()) : env.Null());
  object.Set("pyramidChannels",
             file.pyramid_channels ? Napi::Number::New(env, static_cast<double>(*file.pyramid_channels)) : env.Null());
  return object;
}

WeightsRequest request_of(const Options& options) {
  return {.key = options.has("key") ? options.string("key") : "", .network = true};
}

Napi::Object to_js(Napi::Env env, const Metadata& metadata) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [key, value] : metadata) object.Set(key, value);
  return object;
}

/// Number of trainable values, judged by names and types: running statistics are excluded.
double parameters_in(const TensorTable& table) {
  const auto ends_with = [](const std::string& name, std::string_view ending) {
    return std::string_view(name).ends_with(ending);
  };
  double count = 0;
  for (const auto& tensor : table.tensors) {
    const bool is_statistic = ends_with(tensor.name, "running_mean") || ends_with(tensor.name, "running_var");
    if (at::isFloatingType(scalar_type(tensor.type)) && !is_statistic)
      count += static_cast<double>(element_count(tensor.shape));
  }
  return count;
}

Napi::Value to_js(Napi::Env env, const std::optional<ArchitectureMatch>& fit) {
  if (!fit) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", fit->name);
  object.Set("numClasses", static_cast<double>(fit->num_classes));
  object.Set("matching", static_cast<double>(fit->matching));
  object.Set("entries", static_cast<double>(fit->entries));
  object.Set("differences", binding::to_js(env, fit->differences));
  object.Set("prefix", fit->fit.prefix);
  object.Set("layout", fit->fit.layout);
  object.Set("difference", fit->fit.difference);
  object.Set("otherPrefixes", to_array(env, fit->fit.other_prefixes));
  Napi::Array names = Napi::Array::New(env, fit->fit.names.size());
  for (size_t i = 0; i < fit->fit.names.size(); ++i) {
    const auto& name = fit->fit.names[i];
    names.Set(i, name ? Napi::String::New(env, *name) : env.Null());
  }
  object.Set("names", names);
  return object;
}

Napi::Object to_js(Napi::Env env, const TensorTable& table) {
  Napi::Array tensors = Napi::Array::New(env, table.tensors.size());
  for (size_t i = 0; i < table.tensors.size(); ++i) {
    const StoredTensor& entry = table.tensors[i];
    Napi::Object tensor = Napi::Object::New(env);
    tensor.Set("name", entry.name);
    tensor.Set("dtype", row_of(entry.type).name);
    tensor.Set("shape", to_array(env, entry.shape));
    tensors.Set(i, tensor);
  }
  Napi::Object selection = Napi::Object::New(env);
  selection.Set("key", table.selection.key);
  selection.Set("prefixes", to_array(env, table.selection.prefixes));
  selection.Set("leftAside", static_cast<double>(table.selection.left_aside));
  selection.Set("leftAsideNames", to_array(env, table.selection.counters));
  Napi::Array unread = Napi::Array::New(env, table.unread.size());
  for (size_t i = 0; i < table.unread.size(); ++i) {
    Napi::Object value = Napi::Object::New(env);
    value.Set("name", table.unread[i].name);
    value.Set("type", table.unread[i].type);
    unread.Set(i, value);
  }
  selection.Set("unread", unread);
  Napi::Object object = Napi::Object::New(env);
  object.Set("format", to_string(table.format));
  object.Set("metadata", to_js(env, table.metadata));
  object.Set("tensors", tensors);
  object.Set("parameters", parameters_in(table));
  object.Set("selection", selection);
  return object;
}

/// The tensor type available in JavaScript that holds every value of a stored type.
at::ScalarType widened(at::ScalarType type) {
  switch (type) {
    case at::kHalf: return at::kFloat;
    case at::kInt:
    case at::kShort:
    case at::kChar: return at::kLong;
    case at::kBool: return at::kByte;
    default: return type;
  }
}

/// Contiguous tensors, with floating-point values converted to the requested type.
NamedTensors converted(const NamedTensors& tensors, std::optional<at::ScalarType> floating) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    const bool converts = floating && at::isFloatingType(tensor.scalar_type());
    result.emplace_back(name, (converts ? tensor.to(*floating) : tensor).contiguous());
  }
  return result;
}

}  // namespace

WeightsPath weights_path_of(const Napi::Value& value) {
  if (!value.IsArray()) return string_of(value, "path");
  const auto list = value.As<Napi::Array>();
  std::vector<std::string> shards;
  for (uint32_t i = 1; i < list.Length(); ++i) shards.push_back(string_of(list.Get(i), "shard"));
  return {string_of(list.Get(uint32_t{0}), "path"), std::move(shards)};
}

Napi::Object to_js(Napi::Env env, const StateDifferences& differences) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("missing", to_array(env, differences.missing));
  object.Set("unexpected", to_array(env, differences.unexpected));
  Napi::Array mismatched = Napi::Array::New(env, differences.mismatched.size());
  for (size_t i = 0; i < differences.mismatched.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", differences.mismatched[i].name);
    entry.Set("expected", to_array(env, differences.mismatched[i].expected));
    entry.Set("got", to_array(env, differences.mismatched[i].got));
    mismatched.Set(i, entry);
  }
  object.Set("mismatched", mismatched);
  return object;
}

Napi::Object to_js(Napi::Env env, const LoadReport& report) {
  Napi::Object object = to_js(env, static_cast<const StateDifferences&>(report));
  object.Set("matched", static_cast<double>(report.matched));
  object.Set("prefixes", to_array(env, report.prefixes));
  object.Set("layout", report.layout);
  object.Set("leftAside", to_array(env, report.left_aside));
  return object;
}

Napi::Value read_weights_info(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [path = weights_path_of(info[0]), request = request_of(options_of(info[1], "options"))] {
          TensorTable table = reviewkd::read_weights_info(path, request);
          const auto detector = detection::describe_file(shapes_of(table));
          return WeightsDescription{std::move(table), detector};
        },
        [](Napi::Env env, const WeightsDescription& description) -> Napi::Value {
          Napi::Object object = to_js(env, description.table);
          object.Set("detector", to_js(env, description.detector));
          return object;
        });
  });
}

Napi::Value match_weights(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[1], "options");
    const auto switches = options.has("detection") ? std::optional(options.options("detection")) : std::nullopt;
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [path = weights_path_of(info[0]), request = request_of(options), switches] {
          FileEntries file(shapes_of(reviewkd::read_weights_info(path, request)));
          return switches ? identify_detector(file.shapes(), *switches) : identify_model(file);
        },
        [](Napi::Env env, const std::optional<ArchitectureMatch>& fit) { return to_js(env, fit); });
  });
}

Napi::Value read_state_dict(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [path = weights_path_of(info[0]), request = request_of(options_of(info[1], "options"))] {
          WeightsFile file = read_weights(path, request);
          for (auto& [name, tensor] : file.tensors) tensor = tensor.to(widened(tensor.scalar_type()));
          return file;
        },
        [](Napi::Env env, const WeightsFile& file) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("entries", to_entries(env, file.tensors));
          object.Set("metadata", to_js(env, file.metadata));
          return object;
        });
  });
}

Napi::Value write_state_dict(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [path = string_of(info[0], "path"), tensors = entries_of(info[1]),
         metadata = metadata_of(info[2], "metadata")] {
          write_weights(path, converted(tensors, std::nullopt), metadata);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value convert_weights(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[2], "options");
    const auto dtype = options.has("dtype") ? element_type_of_name(options.string("dtype")) : std::nullopt;
    const auto floating = dtype ? std::optional(scalar_type(*dtype)) : std::nullopt;
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [from = weights_path_of(info[0]), to = string_of(info[1], "path"), key = request_of(options).key, floating,
         metadata = metadata_of(info[3], "metadata")] {
          check_weights_ending(to);
          const WeightsFile file = read_network_weights(from, key);
          write_weights(to, converted(file.tensors, floating), metadata);
          return static_cast<int64_t>(file.tensors.size());
        },
        [](Napi::Env env, int64_t count) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(count)); });
  });
}

}  // namespace reviewkd::binding
