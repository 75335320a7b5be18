#pragma once
// Which network of the registry a file's tensors are those of.

#include <optional>
#include <string>

#include "formats/tensor_table.h"
#include "core/models/state_dict.h"

namespace reviewkd {

struct ArchitectureMatch {
  std::string name;
  /// As the file's classifier has it.
  int64_t num_classes;
  /// How many tensors have name and shape of the network's.
  size_t matching;
  /// Entries of the network.
  size_t entries;
  /// What does not match: names of the network alone, of the file alone, and of both with other shapes.
  LoadReport differences;
};

/// The network that most names and shapes speak for, counted against what either side has beside them; nothing where no
/// tensor matches one. No values are drawn.
std::optional<ArchitectureMatch> identify_model(const TensorTable& table);

}  // namespace reviewkd
