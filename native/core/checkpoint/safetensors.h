#pragma once
// Whole files in the safetensors format, including tensors; safetensors_header.h handles the header.

#include <string>

#include "core/io/atomic_file.h"
#include "core/models/state_dict.h"
#include "formats/tensor_table.h"

namespace reviewkd {

struct SafetensorsFile {
  Metadata metadata;
  NamedTensors tensors;
};

/// Reads a whole file, every tensor under its stored name. Throws FILE_NOT_FOUND, FILE_ACCESS, FILE_CORRUPT or
/// FILE_UNSUPPORTED.
SafetensorsFile read_safetensors(const std::string& path);

/// Writes to a temporary file next to `path`, flushes it to disk and renames it: the path holds either its previous
/// contents or the whole new file. Tensors must be contiguous and on the CPU. Throws FILE_ACCESS.
void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

/// Writes to a file that its owner commits.
void write_safetensors(AtomicFile& file, const NamedTensors& tensors, const Metadata& metadata);

}  // namespace reviewkd
