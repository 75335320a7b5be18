#include "core/base/options.h"

#include <cmath>
#include <sstream>
#include <utility>

#include "core/base/error.h"

namespace reviewkd {
namespace {

std::string text_of(const Value& value) {
  struct Describe {
    std::string operator()(std::monostate) const { return "nothing"; }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(double value) const {
      std::ostringstream text;
      text << value;
      return text.str();
    }
    std::string operator()(const std::string& value) const { return '"' + value + '"'; }
    std::string operator()(const NumberArray&) const { return "a typed array"; }
    std::string operator()(const Value::List&) const { return "an array"; }
    std::string operator()(const Value::Object&) const { return "an object"; }
  };
  return std::visit(Describe{}, value.content);
}

template <typename Content>
const Content& content_of(const Value& value, const std::string& path, const char* expected) {
  const auto* content = std::get_if<Content>(&value.content);
  if (content == nullptr)
    fail(ErrorCode::kInvalidArgument, "invalid ", path, ": expected ", expected, ", received ", text_of(value), ".");
  return *content;
}

double number_at(const Value& value, const std::string& path) {
  const double number = content_of<double>(value, path, "a number");
  if (!std::isfinite(number))
    fail(ErrorCode::kInvalidArgument, "invalid ", path, ": expected a finite number, received ", text_of(value), ".");
  return number;
}

int64_t integer_at(const Value& value, const std::string& path) {
  constexpr double kLargest = 9007199254740991.0;
  const double number = number_at(value, path);
  if (number != std::floor(number) || std::abs(number) > kLargest) {
    fail(ErrorCode::kInvalidArgument, "invalid ", path, ": expected a whole number, received ", text_of(value), ".");
  }
  return static_cast<int64_t>(number);
}

std::string string_at(const Value& value, const std::string& path) {
  return content_of<std::string>(value, path, "a string");
}

}  // namespace

Options::Options(Value value, std::string path) : path_(std::move(path)) {
  content_of<Value::Object>(value, path_, "an object");
  object_ = std::make_shared<const Value::Object>(std::get<Value::Object>(std::move(value.content)));
}

const Value& Options::at(const std::string& field) const {
  static const Value kAbsent;
  const auto entry = object_->find(field);
  return entry == object_->end() ? kAbsent : entry->second;
}

double Options::number(const std::string& field) const { return number_at(at(field), path(field)); }
int64_t Options::integer(const std::string& field) const { return integer_at(at(field), path(field)); }
bool Options::boolean(const std::string& field) const {
  return content_of<bool>(at(field), path(field), "true or false");
}
std::string Options::string(const std::string& field) const { return string_at(at(field), path(field)); }
NumberArray Options::array(const std::string& field) const {
  return content_of<NumberArray>(at(field), path(field), "a typed array");
}

template <typename Element, typename Read>
std::vector<Element> Options::elements(const std::string& field, const Read& read) const {
  std::vector<Element> result;
  const auto& list = content_of<Value::List>(at(field), path(field), "an array");
  result.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) result.push_back(read(list[i], path(field) + "[" + std::to_string(i) + "]"));
  return result;
}

std::vector<double> Options::numbers(const std::string& field) const { return elements<double>(field, number_at); }
std::vector<int64_t> Options::integers(const std::string& field) const { return elements<int64_t>(field, integer_at); }
std::vector<std::string> Options::strings(const std::string& field) const {
  return elements<std::string>(field, string_at);
}

Options Options::nested(const Value& value, std::string path) const {
  // Shares the memory of the whole value.
  const auto& object = content_of<Value::Object>(value, path, "an object");
  return Options(std::shared_ptr<const Value::Object>(object_, &object), std::move(path));
}

Options Options::options(const std::string& field) const { return nested(at(field), path(field)); }

std::vector<Options> Options::list(const std::string& field) const {
  return elements<Options>(field, [this](const Value& value, const std::string& path) { return nested(value, path); });
}

void Options::read(const std::string& field, double& target) const {
  if (has(field)) target = number(field);
}
void Options::read(const std::string& field, int64_t& target) const {
  if (has(field)) target = integer(field);
}
void Options::read(const std::string& field, std::optional<double>& target) const {
  if (has(field)) target = number(field);
}
void Options::read(const std::string& field, std::optional<int64_t>& target) const {
  if (has(field)) target = integer(field);
}
void Options::read(const std::string& field, std::vector<double>& target) const {
  if (has(field)) target = numbers(field);
}
void Options::read(const std::string& field, std::vector<int64_t>& target) const {
  if (has(field)) target = integers(field);
}

void Options::unknown_choice(const std::string& field) const {
  fail(ErrorCode::kInvalidArgument, "invalid ", path(field), ": expected a known name, received ", text_of(at(field)),
       ".");
}

}  // namespace reviewkd
