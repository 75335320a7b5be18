#include "binding/onnx/export_model.h"

#include <map>

#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/onnx/export_network.h"

namespace reviewkd::binding {
namespace {

struct WrittenFile {
  uint64_t bytes;
  std::map<std::string, int64_t> operators;
};

onnx::ExportOptions export_options(const Options& options, const Metadata& metadata) {
  onnx::ExportOptions wanted{
      .image = {options.integer("height"), options.integer("width")},
      .normalization = std::nullopt,
      .type = options.choice<at::ScalarType>("dtype", {{"float32", at::kFloat}, {"float16", at::kHalf}}),
      .opset = options.integer("opset"),
      .producer_version = options.string("version"),
      .metadata = {metadata.begin(), metadata.end()},
  };
  if (options.has("normalization")) wanted.normalization = Normalization::from(options.options("normalization"));
  return wanted;
}

}  // namespace

Napi::Value export_onnx(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [network, path = string_of(info[0], "path"),
       options = export_options(options_of(info[1], "options"), metadata_of(info[2], "metadata"))] {
        const onnx::Model model = onnx::onnx_model(*network, options);
        WrittenFile written{.bytes = onnx::write_onnx(model, path), .operators = {}};
        for (const onnx::Node& node : model.graph.nodes) ++written.operators[node.op];
        return written;
      },
      [](Napi::Env env, const WrittenFile& written) -> Napi::Value {
        Napi::Object operators = Napi::Object::New(env);
        for (const auto& [name, count] : written.operators) operators.Set(name, static_cast<double>(count));
        Napi::Object result = Napi::Object::New(env);
        result.Set("bytes", static_cast<double>(written.bytes));
        result.Set("operators", operators);
        return result;
      });
}

}  // namespace reviewkd::binding
