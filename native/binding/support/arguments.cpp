#include "binding/support/arguments.h"

#include <cmath>

#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

[[noreturn]] void unexpected(const char* what, const std::string& name, const Napi::Value& value) {
  fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected ", what, ", received ", value.ToString().Utf8Value(), ".");
}

template <typename Element>
std::vector<Element> elements_of(const Napi::Value& value, const std::string& name,
                                 Element (*read)(const Napi::Value&, const std::string&)) {
  if (!value.IsArray()) unexpected("an array", name, value);
  const auto array = value.As<Napi::Array>();
  std::vector<Element> result;
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(read(array.Get(i), name));
  return result;
}

}  // namespace

double number_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue())) unexpected("a finite number", name, value);
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

std::vector<double> numbers_of(const Napi::Value& value, const std::string& name) {
  return elements_of<double>(value, name, number_of);
}

Options::Options(const Napi::Value& value, std::string name) : name_(std::move(name)) {
  if (!value.IsObject()) unexpected("an object", name_, value);
  object_ = value.As<Napi::Object>();
}

bool Options::has(const char* field) const {
  const Napi::Value value = object_.Get(field);
  return !value.IsUndefined() && !value.IsNull();
}

int64_t Options::integer(const char* field) const { return integer_of(object_.Get(field), path(field)); }
double Options::number(const char* field) const { return number_of(object_.Get(field), path(field)); }
std::string Options::string(const char* field) const { return string_of(object_.Get(field), path(field)); }
std::vector<int64_t> Options::integers(const char* field) const { return integers_of(object_.Get(field), path(field)); }
std::vector<double> Options::numbers(const char* field) const { return numbers_of(object_.Get(field), path(field)); }
Options Options::options(const char* field) const { return Options(object_.Get(field), path(field)); }

bool Options::boolean(const char* field) const {
  const Napi::Value value = object_.Get(field);
  if (!value.IsBoolean()) unexpected("true or false", path(field), value);
  return value.As<Napi::Boolean>().Value();
}

std::vector<Options> Options::list(const char* field) const {
  const Napi::Value value = object_.Get(field);
  if (!value.IsArray()) unexpected("an array", path(field), value);
  const auto array = value.As<Napi::Array>();
  std::vector<Options> result;
  for (uint32_t i = 0; i < array.Length(); ++i) result.emplace_back(array.Get(i), path(field) + "[" + std::to_string(i) + "]");
  return result;
}

void Options::unknown_choice(const char* field) const { unexpected("a known name", path(field), object_.Get(field)); }

Metadata metadata_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) unexpected("an object", name, value);
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  Metadata metadata;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    metadata[key] = string_of(object.Get(key), name + "." + key);
  }
  return metadata;
}

}  // namespace reviewkd::binding
