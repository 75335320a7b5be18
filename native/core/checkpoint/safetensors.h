#pragma once
// Whole files in the safetensors format, with tensors; its header is safetensors_header.h's.

#include <string>

#include "core/io/atomic_file.h"
#include "formats/tensor_table.h"
#include "core/models/state_dict.h"

namespace reviewkd {

struct SafetensorsFile {
  Metadata metadata;
  NamedTensors tensors;
};

/// Reads a whole file, every tensor under its stored name. Throws FILE_NOT_FOUND, FILE_ACCESS, FILE_CORRUPT or
/// FILE_UNSUPPORTED.
SafetensorsFile read_safetensors(const std::string& path);

/// Writes to a temporary file beside `path`, flushes it to the disk and renames it: the path holds either what it held
/// before or the whole new file. Tensors must lie on the CPU, row by row. Throws FILE_ACCESS.
void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

/// The same into a file that its owner commits.
void write_safetensors(AtomicFile& file, const NamedTensors& tensors, const Metadata& metadata);

}  // namespace reviewkd
