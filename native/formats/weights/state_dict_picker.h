#pragma once
// Finds the state dict in a saved object: the object itself, or an entry of a dictionary next to optimizer state and
// numbers.

#include <string>

#include "formats/pickle/pickled_file.h"

namespace reviewkd {

/// The tensors of one state dict, which may be a whole module's. `key`: the names of the dictionaries that lead to it,
/// joined with dots, or the beginning of names in one of them; if empty, the only one, or the only one with a
/// conventional name. Text, numbers and booleans next to it become metadata; all other values of the file are listed as
/// unread. Throws FILE_UNSUPPORTED (none, or several: with the list of their names), FILE_CORRUPT or UNKNOWN_NAME (the
/// key).
TensorTable pick_state_dict(const PickledFile& file, const ByteSource& source, const std::string& key);

}  // namespace reviewkd
