#include "binding/detection/typed_arrays.h"

#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

template <typename Element>
std::vector<Element> copy_elements(const Napi::Value& value, const std::string& name, napi_typedarray_type type) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected a typed array of another type.");
  const auto array = value.As<Napi::TypedArrayOf<Element>>();
  if (array.ElementLength() == 0) return {};
  return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
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
