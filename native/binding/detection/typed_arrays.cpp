#include "binding/detection/typed_arrays.h"

#include "binding/support/arguments.h"
#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

template <typename Element>
std::vector<Element> copy_elements(const Napi::Value& value, const std::string& name, napi_typedarray_type type) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected a typed array of another type.");
  const ArrayBytes bytes = array_bytes(value.As<Napi::TypedArray>());
  if (bytes.elements == 0) return {};
  const auto* first = reinterpret_cast<const Element*>(bytes.first);
  return std::vector<Element>(first, first + bytes.elements);
}

}  // namespace

std::vector<double> doubles_of(const Napi::Value& value, const std::string& name) {
  return copy_elements<double>(value, name, napi_float64_array);
}

std::vector<uint32_t> uint32s_of(const Napi::Value& value, const std::string& name) {
  return copy_elements<uint32_t>(value, name, napi_uint32_array);
}

std::vector<uint8_t> uint8s_of(const Napi::Value& value, const std::string& name) {
  return copy_elements<uint8_t>(value, name, napi_uint8_array);
}

}  // namespace reviewkd::binding
