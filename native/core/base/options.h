#pragma once
// Validated options as one neutral value. They cross from TypeScript once, as a whole; each part of the core reads its
// own fields from it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace reviewkd {

/// The numbers of a typed array, in one block of memory.
struct NumberArray {
  enum class Type { kUint8, kInt64, kFloat32, kOther };

  Type type = Type::kOther;
  /// Number of elements.
  size_t size = 0;
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

/// A value of JSON, or a typed array. Absent fields, undefined and null are all std::monostate.
struct Value {
  using List = std::vector<Value>;
  using Object = std::map<std::string, Value>;

  std::variant<std::monostate, bool, double, std::string, NumberArray, List, Object> content;

  bool is_null() const { return std::holds_alternative<std::monostate>(content); }
};

/// The fields of an object, under the name that messages give it. TypeScript's schemas have validated it; a field of
/// another type is an INVALID_ARGUMENT that names the field. Cheap to copy, and readable on any thread.
class Options {
 public:
  /// Throws INVALID_ARGUMENT unless `value` is an object.
  Options(Value value, std::string path);

  /// Whether the field is present and not null.
  bool has(const std::string& field) const { return !at(field).is_null(); }

  double number(const std::string& field) const;
  /// A whole number within ±2^53.
  int64_t integer(const std::string& field) const;
  bool boolean(const std::string& field) const;
  std::string string(const std::string& field) const;
  std::vector<double> numbers(const std::string& field) const;
  std::vector<int64_t> integers(const std::string& field) const;
  std::vector<std::string> strings(const std::string& field) const;
  /// A typed array.
  NumberArray array(const std::string& field) const;
  Options options(const std::string& field) const;
  std::vector<Options> list(const std::string& field) const;

  /// Replaces `target` if the field is present.
  void read(const std::string& field, double& target) const;
  void read(const std::string& field, int64_t& target) const;
  void read(const std::string& field, std::optional<double>& target) const;
  void read(const std::string& field, std::optional<int64_t>& target) const;
  void read(const std::string& field, std::vector<double>& target) const;
  void read(const std::string& field, std::vector<int64_t>& target) const;

  /// The value that `table` has for the field's name.
  template <typename Choice>
  Choice choice(const std::string& field, const std::map<std::string, Choice>& table) const {
    const auto entry = table.find(string(field));
    if (entry == table.end()) unknown_choice(field);
    return entry->second;
  }
  /// The same if the field is present.
  template <typename Choice>
  void read(const std::string& field, Choice& target, const std::map<std::string, Choice>& table) const {
    if (has(field)) target = choice(field, table);
  }

  /// The object's name in messages: "method", or "method.of[1]".
  const std::string& path() const { return path_; }
  std::string path(const std::string& field) const { return path_ + "." + field; }
  const Value& at(const std::string& field) const;

 private:
  Options(std::shared_ptr<const Value::Object> object, std::string path)
      : object_(std::move(object)), path_(std::move(path)) {}
  Options nested(const Value& value, std::string path) const;
  template <typename Element, typename Read>
  std::vector<Element> elements(const std::string& field, const Read& read) const;
  [[noreturn]] void unknown_choice(const std::string& field) const;

  std::shared_ptr<const Value::Object> object_;
  std::string path_;
};

}  // namespace reviewkd
