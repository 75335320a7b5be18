#pragma once
// The pickle of a state dict, protocol 2, in the words that torch.save has for it.

#include <string>

#include "formats/tensor_table.h"

namespace reviewkd {

/// Each tensor, row by row, is the whole of a storage under the key of its index: "0", "1", ….
std::string state_dict_pickle(const std::vector<StoredTensor>& tensors, const Metadata& metadata);

}  // namespace reviewkd
