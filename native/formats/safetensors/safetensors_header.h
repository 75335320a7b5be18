#pragma once
// The header of the safetensors format: an 8-byte length, JSON with names, types, shapes and offsets, then the data.
// https://github.com/huggingface/safetensors (format, version 0.5). Nothing in a file is ever executed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/tensor_table.h"

namespace reviewkd {

/// Size of the header's length, at the start of the file.
constexpr uint64_t kSafetensorsLengthBytes = 8;

/// A tensor's entry in the header.
struct TensorEntry {
  std::string name;
  /// nullopt for a type of the format that is not read here, such as F8_E4M3.
  std::optional<ElementType> type;
  /// As the header spells it.
  std::string type_name;
  std::vector<int64_t> shape;
  /// Bytes from the end of the header: first, and one past the last.
  uint64_t begin;
  uint64_t end;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> entries;  // in the order of their bytes
};

/// Parses `text`, the JSON of a header. Checks every length, shape and offset against `data_bytes`, the size of the
/// data that follows; of a type that is not read, the offsets alone. Throws FILE_CORRUPT or FILE_UNSUPPORTED; `path` is
/// for messages.
SafetensorsHeader parse_safetensors_header(const std::string& text, uint64_t data_bytes, const std::string& path);

/// Reads names, types, shapes and positions of a file. Throws as parse_safetensors_header does.
TensorTable read_safetensors_table(const ByteSource& source);

}  // namespace reviewkd
