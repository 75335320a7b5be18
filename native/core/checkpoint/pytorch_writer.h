#pragma once
// State dicts as torch.save writes them: a zip archive that torch.load reads with weights_only=True.

#include <string>

#include "core/models/state_dict.h"
#include "formats/tensor_table.h"

namespace reviewkd {

/// Writes an OrderedDict of the tensors, atomically. `metadata` becomes its attribute `metadata`, which Python keeps
/// next to the entries: `torch.load(path).metadata`. Tensors must be contiguous and on the CPU. Throws FILE_ACCESS.
void write_pytorch(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

}  // namespace reviewkd
