#pragma once
// Weights as tensors: any format in, .safetensors or PyTorch's archive out.

#include <string>

#include "formats/weights_table.h"
#include "core/models/state_dict.h"

namespace reviewkd {

struct WeightsFile {
  NamedTensors tensors;
  Metadata metadata;
};

/// The table of a file, whatever its format. Throws FILE_NOT_FOUND, FILE_ACCESS, FILE_CORRUPT, FILE_UNSUPPORTED, UNKNOWN_NAME.
TensorTable read_weights_info(const std::string& path, const WeightsRequest& request = {});

/// Tensors on the CPU, each storage read once and straight into its place; tensors that share one in the file share it here,
/// and keep their strides. Verifies the checksums that there are. Throws as read_weights_info does.
WeightsFile read_weights(const std::string& path, const WeightsRequest& request = {});

/// Throws FILE_UNSUPPORTED for an ending that write_weights does not know.
void check_weights_ending(const std::string& path);

/// Writes .safetensors, .pt or .pth by the path's ending, atomically. Tensors must lie on the CPU, row by row. Throws
/// FILE_UNSUPPORTED (another ending) or FILE_ACCESS.
void write_weights(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

/// The type of libtorch, and back; types that no file holds are a DTYPE_MISMATCH.
at::ScalarType scalar_type(ElementType type);
ElementType element_type(at::ScalarType type);

}  // namespace reviewkd
