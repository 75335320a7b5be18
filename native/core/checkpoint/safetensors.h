#pragma once
// The safetensors format: an 8-byte length, a JSON header with names, types, shapes and offsets, then the bytes.
// https://github.com/huggingface/safetensors (format, version 0.5). Nothing in a file is ever executed.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/checkpoint/atomic_file.h"
#include "core/models/state_dict.h"

namespace reviewkd {

using Metadata = std::map<std::string, std::string>;

/// What a header says of one tensor.
struct TensorEntry {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  /// Bytes from the end of the header: first, and one past the last.
  uint64_t begin;
  uint64_t end;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> entries;  // in the order of their bytes
  uint64_t data_start = 0;           // offset of the first tensor byte in the file
};

struct SafetensorsFile {
  Metadata metadata;
  NamedTensors tensors;
};

/// Parses `text`, the JSON of a header. Every length, shape and offset is checked against `data_bytes`, the size of what
/// follows. Throws FILE_CORRUPT or FILE_UNSUPPORTED (a type that is not known here); `path` is for messages.
SafetensorsHeader parse_safetensors_header(const std::string& text, uint64_t data_bytes, const std::string& path);

/// Reads names and shapes alone. Throws FILE_NOT_FOUND, FILE_ACCESS, FILE_CORRUPT or FILE_UNSUPPORTED.
SafetensorsHeader read_safetensors_header(const std::string& path);

/// Reads a whole file. Throws as read_safetensors_header does.
SafetensorsFile read_safetensors(const std::string& path);

/// Writes to a temporary file beside `path`, flushes it to the disk and renames it: the path holds either what it held
/// before or the whole new file. Tensors must lie on the CPU, row by row. Throws FILE_ACCESS.
void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata);

/// The same into a file that its owner commits.
void write_safetensors(AtomicFile& file, const NamedTensors& tensors, const Metadata& metadata);

}  // namespace reviewkd
