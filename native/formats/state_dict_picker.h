#pragma once
// Finds the state dict in a saved object: the object itself, or an entry of a dictionary next to optimizer state and
// numbers.

#include <string>

#include "formats/pickle/pickled_file.h"

namespace reviewkd {

/// The tensors of one state dict. `key`: the names of the dictionaries that lead to it, joined with dots; if empty,
/// the only one, or the only one with a conventional name. Text, numbers and booleans next to it become metadata.
/// Throws FILE_UNSUPPORTED (none, or several: with the list of their names) or FILE_CORRUPT.
TensorTable pick_state_dict(const PickledFile& file, const ByteSource& source, const std::string& key);

}  // namespace reviewkd
