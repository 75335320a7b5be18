#include "binding/support/arguments.h"

#include <cmath>

#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

[[noreturn]] void unexpected(const char* what, const std::string& name, const Napi::Value& value) {
  fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected ", what, ", received ", value.ToString().Utf8Value(),
       ".");
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
  const auto* first = static_cast<const std::byte*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return {type_of(), array.ElementLength(),
          std::make_shared<const std::vector<std::byte>>(first, first + array.ByteLength())};
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

Value value_of(const Napi::Value& value, const std::string& name) {
  if (value.IsUndefined() || value.IsNull()) return {};
  if (value.IsBoolean()) return {value.As<Napi::Boolean>().Value()};
  if (value.IsNumber()) return {value.As<Napi::Number>().DoubleValue()};
  if (value.IsString()) return {value.As<Napi::String>().Utf8Value()};
  if (value.IsTypedArray()) return {number_array_of(value.As<Napi::TypedArray>())};
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    Value::List list;
    for (uint32_t i = 0; i < array.Length(); ++i)
      list.push_back(value_of(array.Get(i), name + "[" + std::to_string(i) + "]"));
    return {std::move(list)};
  }
  if (!value.IsObject() || value.IsFunction()) unexpected("a plain value", name, value);
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  Value::Object fields;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    fields.emplace(key, value_of(object.Get(key), field_of(name, key)));
  }
  return {std::move(fields)};
}

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
