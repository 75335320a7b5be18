#pragma once
// The common entry point for all formats: detects the format by content, not by name, and locates the tensors.

#include <string>

#include "formats/tensor_table.h"

namespace reviewkd {

/// Which of a file's tensors to read.
struct WeightsRequest {
  /// As in pick_state_dict; of files without dictionaries, the beginning of names.
  std::string key;
  /// Removes prefixes and skips what belongs to no network; false: keeps everything under its stored name.
  bool network = true;
};

/// Reads only names, types, shapes and positions. Throws FILE_CORRUPT, FILE_UNSUPPORTED or UNKNOWN_NAME (a key).
TensorTable read_weights_table(const ByteSource& source, const WeightsRequest& request = {});

/// Applies a request to the table of `source`, a file without dictionaries or several. Throws UNKNOWN_NAME (a key) or
/// FILE_UNSUPPORTED.
void select_network(TensorTable& table, const ByteSource& source, const WeightsRequest& request);

}  // namespace reviewkd
