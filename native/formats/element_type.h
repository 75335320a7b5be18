#pragma once
// Element types of weight files, independent of libtorch, because the readers of untrusted files are built and fuzzed
// without it.

#include <cstdint>
#include <optional>
#include <string_view>

namespace reviewkd {

enum class ElementType : uint8_t {
  kFloat64,
  kFloat32,
  kFloat16,
  kBFloat16,
  kInt64,
  kInt32,
  kInt16,
  kInt8,
  kUInt8,
  kBool
};

/// One type and its spelling in each format.
struct ElementTypeRow {
  ElementType type;
  uint64_t bytes;
  /// The name in JavaScript and in Python's torch: torch.float32.
  const char* name;
  const char* safetensors;
  /// The class of its storages in pickles, within the module torch.
  const char* storage;
  /// The code of NumPy's dtype; NumPy itself has no bfloat16.
  const char* numpy;
};

const ElementTypeRow& row_of(ElementType type);

/// Bytes of one element.
inline uint64_t bytes_of(ElementType type) { return row_of(type).bytes; }

/// Lookups by spelling; nullopt for an unknown type.
std::optional<ElementType> element_type_of_name(std::string_view name);
std::optional<ElementType> element_type_of_safetensors(std::string_view name);
std::optional<ElementType> element_type_of_storage(std::string_view name);
std::optional<ElementType> element_type_of_numpy(std::string_view code);

}  // namespace reviewkd
