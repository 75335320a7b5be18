#pragma once
// Encodes a model as an ONNX file: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

#include <cstdint>
#include <functional>

#include "formats/onnx/onnx_model.h"

namespace reviewkd::onnx {

/// Passes the encoded file on, piece by piece. Throws FILE_UNSUPPORTED if it would have 2 GiB or more, which no reader
/// takes.
void write_model(const Model& model, const std::function<void(const void* data, uint64_t size)>& sink);

}  // namespace reviewkd::onnx
