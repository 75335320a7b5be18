#pragma once
// Weights of any format as tensors.

#include <string>
#include <utility>
#include <vector>

#include "core/models/state_dict.h"
#include "formats/weights/weights_table.h"

namespace reviewkd {

struct WeightsFile {
  NamedTensors tensors;
  Metadata metadata;
  Selection selection;
  /// Values of the file that are no tensors here.
  std::vector<UnreadValue> unread;
};

/// A file of weights, or the index of several that hold one network together.
struct WeightsPath {
  WeightsPath(std::string path) : name(std::move(path)) {}  // NOLINT(google-explicit-constructor): a path is one
  WeightsPath(std::string index, std::vector<std::string> files) : name(std::move(index)), shards(std::move(files)) {}

  /// Of the file or index.
  std::string name;
  std::vector<std::string> shards;
};

/// The table of a file, whatever its format, or of all shards as if they were one file. Throws FILE_NOT_FOUND,
/// FILE_ACCESS, FILE_CORRUPT, FILE_UNSUPPORTED, UNKNOWN_NAME.
TensorTable read_weights_info(const WeightsPath& path, const WeightsRequest& request = {});

/// Tensors on the CPU, each storage read once and straight into its place; tensors that share one in the file share it
/// here, and keep their strides. Verifies the checksums that there are. Throws as read_weights_info does.
WeightsFile read_weights(const WeightsPath& path, const WeightsRequest& request = {});

/// The type of libtorch, and back; types that no file holds are a DTYPE_MISMATCH.
at::ScalarType scalar_type(ElementType type);
ElementType element_type(at::ScalarType type);

}  // namespace reviewkd
