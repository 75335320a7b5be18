#pragma once
// Networks as ONNX graphs, on their way from a trace to a file.

#include <napi.h>

#include "binding/support/handle.h"
#include "core/models/backbone.h"
#include "formats/onnx/onnx_model.h"

namespace reviewkd::binding {

/// A graph and what it was made from.
struct OnnxGraph {
  onnx::Graph graph;
  std::shared_ptr<Network> network;
};

class OnnxGraphHandle : public Handle<OnnxGraphHandle, OnnxGraph> {
 public:
  static constexpr const char* kName = "OnnxGraph";
  static constexpr napi_type_tag kTag = {0x2f4c86d10be97a35, 0xd07b15ea83f2469c};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  /// (images, stop, onProgress) -> Promise<void>: quantizes a classifier to int8 by normalized images [N, 3, H, W];
  /// reports how many of them are done.
  Napi::Value quantize(const Napi::CallbackInfo& info);
  /// As that of networks.
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  /// (path, { normalization?, opset, version }, metadata) -> Promise<{ bytes, operators, inputs, outputs }>
  Napi::Value write(const Napi::CallbackInfo& info);
};

/// (network, { height, width, dtype, memory }) -> Promise<OnnxGraph>; `memory`: bytes that it may take.
Napi::Value trace_onnx(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

}  // namespace reviewkd::binding
