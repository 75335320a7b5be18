#include "formats/element_type.h"

#include <array>

namespace reviewkd {
namespace {

constexpr std::array<ElementTypeRow, 10> kRows = {{
    // in the order of ElementType
    {ElementType::kFloat64, 8, "float64", "F64", "DoubleStorage", "f8"},
    {ElementType::kFloat32, 4, "float32", "F32", "FloatStorage", "f4"},
    {ElementType::kFloat16, 2, "float16", "F16", "HalfStorage", "f2"},
    {ElementType::kBFloat16, 2, "bfloat16", "BF16", "BFloat16Storage", "bfloat16"},
    {ElementType::kInt64, 8, "int64", "I64", "LongStorage", "i8"},
    {ElementType::kInt32, 4, "int32", "I32", "IntStorage", "i4"},
    {ElementType::kInt16, 2, "int16", "I16", "ShortStorage", "i2"},
    {ElementType::kInt8, 1, "int8", "I8", "CharStorage", "i1"},
    {ElementType::kUInt8, 1, "uint8", "U8", "ByteStorage", "u1"},
    {ElementType::kBool, 1, "bool", "BOOL", "BoolStorage", "b1"},
}};

std::optional<ElementType> find(std::string_view text, const char* ElementTypeRow::* spelling) {
  for (const auto& row : kRows) {
    if (text == row.*spelling) return row.type;
  }
  return std::nullopt;
}

}  // namespace

const ElementTypeRow& row_of(ElementType type) { return kRows.at(static_cast<size_t>(type)); }

std::optional<ElementType> element_type_of_name(std::string_view name) { return find(name, &ElementTypeRow::name); }
std::optional<ElementType> element_type_of_safetensors(std::string_view name) {
  return find(name, &ElementTypeRow::safetensors);
}
std::optional<ElementType> element_type_of_storage(std::string_view name) {
  return find(name, &ElementTypeRow::storage);
}
std::optional<ElementType> element_type_of_numpy(std::string_view code) { return find(code, &ElementTypeRow::numpy); }

}  // namespace reviewkd
