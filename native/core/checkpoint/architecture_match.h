#pragma once
// Identifies the network of the registry that a file's tensors belong to.

#include <optional>
#include <string>

#include "core/models/state_dict.h"
#include "formats/tensor_table.h"

namespace reviewkd {

struct ArchitectureMatch {
  std::string name;
  /// The number of classes of the file's classifier.
  int64_t num_classes;
  /// Number of tensors whose name and shape match the network's.
  size_t matching;
  /// Number of entries of the network.
  size_t entries;
  StateDifferences differences;
};

/// The network with the highest Dice coefficient of matching names and shapes; nullopt when no tensor matches any.
/// Draws no random values.
std::optional<ArchitectureMatch> identify_model(const TensorTable& table);

}  // namespace reviewkd
