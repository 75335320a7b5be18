#pragma once
// Whole modules, as torch.save(model) has them: objects of unknown classes whose attributes are torch.nn.Module's.

#include <string>
#include <utility>
#include <vector>

#include "formats/pickle/pickle_value.h"

namespace reviewkd {

/// Whether a value has the attributes of a torch.nn.Module.
bool is_saved_module(const pickle::Heap& heap, const pickle::Value& value);

/// Names and values of a module in the order of its state dict: parameters, persistent buffers, then those of its
/// children. At most as many as a file may have tensors; no module is followed below a depth that none has.
std::vector<std::pair<std::string, pickle::Id>> saved_module_entries(const pickle::Heap& heap, pickle::Id module);

}  // namespace reviewkd
