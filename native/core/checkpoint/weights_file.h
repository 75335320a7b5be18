#pragma once
// Files of weights: any format in, .safetensors or PyTorch's archive out.

#include <string>

#include "core/checkpoint/weights_reader.h"

namespace reviewkd {

/// Throws FILE_UNSUPPORTED for an ending that write_weights does not know.
void check_weights_ending(const std::string& path);

/// Writes .safetensors, .pt or .pth by the path's ending, atomically. Tensors must lie on the CPU, row by row. Throws
/// FILE_UNSUPPORTED (another ending) or FILE_ACCESS.
void write_weights(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

}  // namespace reviewkd
