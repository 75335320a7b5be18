#pragma once
// One door to all formats: looks at the content, not at the name, and says which tensors lie where.

#include <string>

#include "formats/tensor_table.h"

namespace reviewkd {

/// Which of a file's tensors are wanted.
struct WeightsRequest {
  /// As pick_state_dict takes it; files without dictionaries have only the empty one.
  std::string key;
  /// Take prefixes off and leave aside what belongs to no network; false: everything under its stored name.
  bool network = true;
};

/// Reads names, types, shapes and places, and nothing else. Throws FILE_CORRUPT, FILE_UNSUPPORTED or UNKNOWN_NAME (a key).
TensorTable read_weights_table(const ByteSource& source, const WeightsRequest& request = {});

}  // namespace reviewkd
