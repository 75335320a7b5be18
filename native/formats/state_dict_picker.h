#pragma once
// Finds the state dict in what somebody saved: alone, or in a dictionary beside an optimizer's state and numbers.

#include <string>

#include "formats/pytorch/pytorch_file.h"

namespace reviewkd {

/// The tensors of one state dict. `key`: names of the dictionaries that lead to it, with dots between; empty: the only one
/// there is, or the only one under a name that state dicts go by. Text, numbers and truth values beside it become metadata.
/// Throws FILE_UNSUPPORTED (none, or several: with the list of their names) or FILE_CORRUPT.
TensorTable pick_state_dict(const PyTorchFile& file, const ByteSource& source, const std::string& key);

}  // namespace reviewkd
