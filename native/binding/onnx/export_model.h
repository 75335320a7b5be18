#pragma once
// Networks as ONNX files.

#include <napi.h>

#include "core/models/backbone.h"

namespace reviewkd::binding {

/// (path, { height, width, normalization?, dtype, opset, version }, metadata) -> Promise<{ bytes, operators }>
Napi::Value export_onnx(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

}  // namespace reviewkd::binding
