#pragma once
// Weights of any format as tensors.

#include <string>

#include "core/models/state_dict.h"
#include "formats/weights_table.h"

namespace reviewkd {

struct WeightsFile {
  NamedTensors tensors;
  Metadata metadata;
};

/// The table of a file, whatever its format. Throws FILE_NOT_FOUND, FILE_ACCESS, FILE_CORRUPT, FILE_UNSUPPORTED,
/// UNKNOWN_NAME.
TensorTable read_weights_info(const std::string& path, const WeightsRequest& request = {});

/// Tensors on the CPU, each storage read once and straight into its place; tensors that share one in the file share it
/// here, and keep their strides. Verifies the checksums that there are. Throws as read_weights_info does.
WeightsFile read_weights(const std::string& path, const WeightsRequest& request = {});

/// The type of libtorch, and back; types that no file holds are a DTYPE_MISMATCH.
at::ScalarType scalar_type(ElementType type);
ElementType element_type(at::ScalarType type);

}  // namespace reviewkd
