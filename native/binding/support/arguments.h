#pragma once
// Reading JavaScript values. TypeScript has validated them with its schemas; whatever is wrong all the same is an
// INVALID_ARGUMENT that names the field.

#include <napi.h>

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "formats/tensor_table.h"

namespace reviewkd::binding {

/// Levels of values in values: those of options are a few, and values that contain themselves have no end.
inline constexpr int kDeepestValue = 64;

/// A finite whole number within ±2^53.
int64_t integer_of(const Napi::Value& value, const std::string& name);
double number_of(const Napi::Value& value, const std::string& name);
std::string string_of(const Napi::Value& value, const std::string& name);
std::vector<int64_t> integers_of(const Napi::Value& value, const std::string& name);

/// The memory of a typed array of any realm, also a shared one, which other threads may write to: copy it at once.
struct ArrayBytes {
  const std::byte* first;
  size_t size;
  size_t elements;
};
ArrayBytes array_bytes(const Napi::TypedArray& array);

/// A plain value, array, object or typed array, copied. Throws INVALID_ARGUMENT for any other, such as a function.
Value value_of(const Napi::Value& value, const std::string& name);

/// The options of a call, which cross as one value.
Options options_of(const Napi::Value& value, const std::string& name);

/// A plain object of strings.
Metadata metadata_of(const Napi::Value& value, const std::string& name);

}  // namespace reviewkd::binding
