#pragma once
// Weights as tensors: reads any format, writes .safetensors or PyTorch's archive.

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

/// Reads tensors to the CPU, each storage once and directly into its destination; tensors that share a storage in the
/// file share it here and keep their strides. Verifies all checksums present. Throws as read_weights_info does.
WeightsFile read_weights(const std::string& path, const WeightsRequest& request = {});

/// Throws FILE_UNSUPPORTED for an extension that write_weights does not support.
void check_weights_ending(const std::string& path);

/// Writes .safetensors, .pt or .pth according to the path's extension, atomically. Tensors must be contiguous and on
/// the CPU. Throws FILE_UNSUPPORTED (another extension) or FILE_ACCESS.
void write_weights(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

/// Conversion to libtorch's type and back; types that no file holds throw DTYPE_MISMATCH.
at::ScalarType scalar_type(ElementType type);
ElementType element_type(at::ScalarType type);

}  // namespace reviewkd
