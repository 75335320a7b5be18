#include "binding/onnx/onnx_graph.h"

#include <map>

#include "binding/data/evaluate.h"
#include "binding/functional/tensor_tree.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/onnx/export_network.h"
#include "core/onnx/graph_network.h"
#include "core/onnx/quantization.h"
#include "core/ops/backend/allocator.h"
#include "core/tasks/registry.h"

namespace reviewkd::binding {
namespace {

struct WrittenFile {
  uint64_t bytes;
  std::map<std::string, int64_t> operators;
  std::vector<onnx::ValueInfo> inputs, outputs;
};

/// [{ name, shape }]: sizes, or the names of those that the model's user chooses.
Napi::Array to_js(Napi::Env env, const std::vector<onnx::ValueInfo>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    Napi::Array shape = Napi::Array::New(env, values[i].shape.size());
    for (size_t j = 0; j < values[i].shape.size(); ++j) {
      const auto& size = values[i].shape[j];
      if (const auto* known = std::get_if<int64_t>(&size)) shape.Set(j, static_cast<double>(*known));
      else shape.Set(j, std::get<std::string>(size));
    }
    Napi::Object value = Napi::Object::New(env);
    value.Set("name", values[i].name);
    value.Set("shape", shape);
    array.Set(i, value);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const WrittenFile& file) {
  Napi::Object operators = Napi::Object::New(env);
  for (const auto& [name, count] : file.operators) operators.Set(name, static_cast<double>(count));
  Napi::Object result = Napi::Object::New(env);
  result.Set("bytes", static_cast<double>(file.bytes));
  result.Set("operators", operators);
  result.Set("inputs", to_js(env, file.inputs));
  result.Set("outputs", to_js(env, file.outputs));
  return result;
}

int64_t bytes_of(const onnx::Graph& graph) {
  int64_t bytes = 0;
  for (const onnx::Initializer& constant : graph.initializers) {
    int64_t count = 1;
    for (const int64_t size : constant.shape) count *= size;
    bytes += count * static_cast<int64_t>(reviewkd::bytes_of(constant.type));
  }
  return bytes;
}

}  // namespace

void OnnxGraphHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("quantize", &OnnxGraphHandle::quantize),
                 InstanceMethod("evaluate", &OnnxGraphHandle::evaluate),
                 InstanceMethod("write", &OnnxGraphHandle::write));
}

Napi::Value OnnxGraphHandle::quantize(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const TensorTree inputs = TensorTree::Record{{"images", tensor_tree_of(info[0], "images")}};
    const CountCallback latest = count_callback(info.Env(), info[2]);
    // It takes long: other networks are used meanwhile.
    const auto thread = Runtime::of(info.Env()).new_thread();
    const Napi::Value result = run_async(
        info.Env(), thread,
        [own = resource(), images = inputs.tensors("images"), stop = StopFlagHandle::unwrap(info[1]), latest] {
          onnx::Graph graph = own->graph;  // which stays as it is if this fails
          onnx::quantize_int8(graph, images, *stop, [&](int64_t done) { latest.send(done); });
          own->graph = std::move(graph);
          return Nothing{};
        },
        to_undefined, [latest](Napi::Env env) { latest.release(env); });
    thread->close();
    return result;
  });
}

Napi::Value OnnxGraphHandle::evaluate(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto own = resource();
    const auto network = std::make_shared<Network>();
    network->name = own->network->name;
    network->module = std::make_shared<onnx::GraphNetworkImpl>(own->graph, own->network->module->num_classes());
    const auto thread = Runtime::of(info.Env()).new_thread();
    const Napi::Value result = evaluate_on(info, thread, network, task_of(*own->network), [] {});
    thread->close();
    return result;
  });
}

Napi::Value OnnxGraphHandle::write(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[1], "options");
    const Metadata metadata = metadata_of(info[2], "metadata");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [own = resource(), path = string_of(info[0], "path"), options, metadata] {
          onnx::Model model{.graph = own->graph,
                            .opset = options.integer("opset"),
                            .producer = "reviewkd",
                            .producer_version = options.string("version"),
                            .description = "",
                            .metadata = {metadata.begin(), metadata.end()}};
          if (options.has("normalization"))
            onnx::add_normalization(model.graph, Normalization::from(options.options("normalization")));
          WrittenFile file{.bytes = onnx::write_onnx(model, path),
                           .operators = {},
                           .inputs = model.graph.inputs,
                           .outputs = model.graph.outputs};
          for (const onnx::Node& node : model.graph.nodes) ++file.operators[node.op];
          return file;
        },
        [](Napi::Env env, const WrittenFile& file) { return to_js(env, file); });
  });
}

Napi::Value trace_onnx(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  const Options options = options_of(info[0], "options");
  const onnx::TraceOptions wanted{
      .image = {options.integer("height"), options.integer("width")},
      .type = options.choice<at::ScalarType>("dtype", {{"float32", at::kFloat}, {"float16", at::kHalf}})};
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [network, wanted, most_bytes = options.integer("memory")] {
        const MemoryLimit limit(most_bytes);
        return std::make_shared<OnnxGraph>(OnnxGraph{onnx::trace_graph(*network, wanted), network});
      },
      [](Napi::Env env, const std::shared_ptr<OnnxGraph>& graph) -> Napi::Value {
        const int64_t bytes = bytes_of(graph->graph);
        return OnnxGraphHandle::create(env, graph, bytes);
      });
}

}  // namespace reviewkd::binding
