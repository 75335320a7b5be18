#pragma once
// The pickle of a state dict, protocol 2, as torch.save writes it.

#include <string>

#include "formats/tensor_table.h"

namespace reviewkd {

/// Each contiguous tensor is a whole storage whose key is its index: "0", "1", ….
std::string state_dict_pickle(const std::vector<StoredTensor>& tensors, const Metadata& metadata);

}  // namespace reviewkd
