#pragma once
// Readers for JavaScript values. TypeScript has validated them with its schemas; any remaining error is an
// INVALID_ARGUMENT that names the field.

#include <napi.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/tensor_table.h"

namespace reviewkd::binding {

/// A finite whole number within ±2^53.
int64_t integer_of(const Napi::Value& value, const std::string& name);
double number_of(const Napi::Value& value, const std::string& name);
std::string string_of(const Napi::Value& value, const std::string& name);
std::vector<int64_t> integers_of(const Napi::Value& value, const std::string& name);
std::vector<double> numbers_of(const Napi::Value& value, const std::string& name);

/// The fields of an options object.
class Options {
 public:
  Options(const Napi::Value& value, std::string name);

  bool has(const char* field) const;  // present, and neither undefined nor null
  int64_t integer(const char* field) const;
  double number(const char* field) const;
  bool boolean(const char* field) const;
  std::string string(const char* field) const;
  std::vector<int64_t> integers(const char* field) const;
  std::vector<double> numbers(const char* field) const;
  Options options(const char* field) const;
  std::vector<Options> list(const char* field) const;
  Napi::Value value(const char* field) const { return object_.Get(field); }
  /// The object's name in messages, for example "method.of[1]".
  const std::string& name() const { return name_; }

  /// Looks up a name in `table` and returns its native value.
  template <typename Value>
  Value choice(const char* field, const std::map<std::string, Value>& table) const {
    const auto found = table.find(string(field));
    if (found == table.end()) unknown_choice(field);
    return found->second;
  }

 private:
  std::string path(const char* field) const { return name_ + "." + field; }
  [[noreturn]] void unknown_choice(const char* field) const;

  Napi::Object object_;
  std::string name_;
};

/// A plain object of strings.
Metadata metadata_of(const Napi::Value& value, const std::string& name);

}  // namespace reviewkd::binding
