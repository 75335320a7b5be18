#include "binding/support/arguments.h"

#include <cmath>

#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

/// A value in messages. Texts of objects and symbols would run code of the caller, or throw.
std::string text_of(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "nothing";
    case napi_string: return "\"" + value.As<Napi::String>().Utf8Value() + "\"";
    case napi_null:
    case napi_boolean:
    case napi_number:
    case napi_bigint: return value.ToString().Utf8Value();
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    default: return value.IsArray() ? "an array" : "an object";
  }
}

[[noreturn]] void unexpected(const char* what, const std::string& name, const Napi::Value& value) {
  fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected ", what, ", received ", text_of(value), ".");
}

std::string field_of(const std::string& object, const std::string& key) { return object + "." + key; }

template <typename Element>
std::vector<Element> elements_of(const Napi::Value& value, const std::string& name,
                                 Element (*read)(const Napi::Value&, const std::string&)) {
  if (!value.IsArray()) unexpected("an array", name, value);
  const auto array = value.As<Napi::Array>();
  std::vector<Element> result;
  result.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(read(array.Get(i), name));
  return result;
}

NumberArray number_array_of(const Napi::TypedArray& array) {
  const auto type_of = [&] {
    switch (array.TypedArrayType()) {
      case napi_uint8_array: return NumberArray::Type::kUint8;
      case napi_bigint64_array: return NumberArray::Type::kInt64;
      case napi_float32_array: return NumberArray::Type::kFloat32;
      default: return NumberArray::Type::kOther;
    }
  };
  const ArrayBytes bytes = array_bytes(array);
  return {type_of(), bytes.elements,
          std::make_shared<const std::vector<std::byte>>(bytes.first, bytes.first + bytes.size)};
}

Value nested_value_of(const Napi::Value& value, const std::string& name, int depth) {
  if (depth > kDeepestValue) fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected fewer levels of values.");
  if (value.IsUndefined() || value.IsNull()) return {};
  if (value.IsBoolean()) return {value.As<Napi::Boolean>().Value()};
  if (value.IsNumber()) return {value.As<Napi::Number>().DoubleValue()};
  if (value.IsString()) return {value.As<Napi::String>().Utf8Value()};
  if (value.IsTypedArray()) return {number_array_of(value.As<Napi::TypedArray>())};
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    Value::List list;
    for (uint32_t i = 0; i < array.Length(); ++i)
      list.push_back(nested_value_of(array.Get(i), name + "[" + std::to_string(i) + "]", depth + 1));
    return {std::move(list)};
  }
  if (!value.IsObject() || value.IsFunction()) unexpected("a plain value", name, value);
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  Value::Object fields;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    fields.emplace(key, nested_value_of(object.Get(key), field_of(name, key), depth + 1));
  }
  return {std::move(fields)};
}

}  // namespace

double number_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue()))
    unexpected("a finite number", name, value);
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_of(const Napi::Value& value, const std::string& name) {
  constexpr double kLargest = 9007199254740991.0;
  const double number = number_of(value, name);
  if (number != std::floor(number) || std::abs(number) > kLargest) unexpected("a whole number", name, value);
  return static_cast<int64_t>(number);
}

std::string string_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) unexpected("a string", name, value);
  return value.As<Napi::String>().Utf8Value();
}

std::vector<int64_t> integers_of(const Napi::Value& value, const std::string& name) {
  return elements_of<int64_t>(value, name, integer_of);
}

ArrayBytes array_bytes(const Napi::TypedArray& array) {
  // Not by the array's buffer: one of shared memory is none to Node-API.
  void* data = nullptr;
  const napi_status status = napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(array.Env());
  return {static_cast<const std::byte*>(data), array.ByteLength(), array.ElementLength()};
}

Value value_of(const Napi::Value& value, const std::string& name) { return nested_value_of(value, name, 0); }

Options options_of(const Napi::Value& value, const std::string& name) { return Options(value_of(value, name), name); }

Metadata metadata_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) unexpected("an object", name, value);
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  Metadata metadata;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    metadata[key] = string_of(object.Get(key), field_of(name, key));
  }
  return metadata;
}

}  // namespace reviewkd::binding
