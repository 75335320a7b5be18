#pragma once
// The header of the safetensors format: an 8-byte length, JSON with names, types, shapes and offsets, then the bytes.
// https://github.com/huggingface/safetensors (format, version 0.5). Nothing in a file is ever executed.

#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor_table.h"

namespace reviewkd {

/// Bytes of the header's length, which a file begins with.
constexpr uint64_t kSafetensorsLengthBytes = 8;

/// What a header says of one tensor.
struct TensorEntry {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  /// Bytes from the end of the header: first, and one past the last.
  uint64_t begin;
  uint64_t end;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> entries;  // in the order of their bytes
};

/// Parses `text`, the JSON of a header. Every length, shape and offset is checked against `data_bytes`, the size of what
/// follows. Throws FILE_CORRUPT or FILE_UNSUPPORTED (a type that is not known here); `path` is for messages.
SafetensorsHeader parse_safetensors_header(const std::string& text, uint64_t data_bytes, const std::string& path);

/// Reads names, types, shapes and places of a file. Throws as parse_safetensors_header does.
TensorTable read_safetensors_table(const ByteSource& source);

}  // namespace reviewkd
