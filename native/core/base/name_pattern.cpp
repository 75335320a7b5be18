#include "core/base/name_pattern.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace reviewkd {
namespace {

constexpr size_t kLetters = 26;
/// Longer numbers are no index of a layer.
constexpr size_t kMostDigits = 6;

/// The parts of a name that the placeholders of a pattern stand for.
struct Captures {
  std::array<int64_t, kLetters> numbers{};
  std::string_view last;
};

/// `{2i+1}`: factor · the number of the letter + offset.
struct Placeholder {
  int64_t factor = 1;
  size_t letter = 0;
  int64_t offset = 0;
};

bool is_decimal_digit(char c) { return c >= '0' && c <= '9'; }

/// Removes the placeholder at the beginning of `pattern`.
Placeholder take_placeholder(std::string_view& pattern) {
  Placeholder placeholder;
  const size_t end = pattern.find('}');
  const char* next = pattern.data() + 1;
  if (is_decimal_digit(*next)) next = std::from_chars(next, pattern.data() + end, placeholder.factor).ptr;
  placeholder.letter = static_cast<size_t>(*next++ - 'a');
  if (*next == '+') ++next;  // from_chars reads no plus sign
  std::from_chars(next, pattern.data() + end, placeholder.offset);
  pattern.remove_prefix(end + 1);
  return placeholder;
}

/// Removes the digits at the beginning of `name`; nullopt if they are no number that `placeholder` can produce.
std::optional<int64_t> take_number(std::string_view& name, const Placeholder& placeholder) {
  const auto digits = static_cast<size_t>(std::find_if_not(name.begin(), name.end(), is_decimal_digit) - name.begin());
  if (digits == 0 || digits > kMostDigits || (digits > 1 && name[0] == '0')) return std::nullopt;
  int64_t number = 0;
  const char* first = name.data();
  std::from_chars(first, first + digits, number);
  name.remove_prefix(digits);
  number -= placeholder.offset;
  if (number < 0 || number % placeholder.factor != 0) return std::nullopt;
  return number / placeholder.factor;
}

std::optional<Captures> match_name(std::string_view name, std::string_view pattern) {
  Captures captures;
  while (!pattern.empty()) {
    if (pattern[0] == '{') {
      const Placeholder placeholder = take_placeholder(pattern);
      const auto number = take_number(name, placeholder);
      if (!number) return std::nullopt;
      captures.numbers[placeholder.letter] = *number;
    } else if (pattern[0] == '*') {
      if (name.empty() || name.find('.') != std::string_view::npos) return std::nullopt;
      captures.last = name;
      return captures;
    } else {
      if (name.empty() || name[0] != pattern[0]) return std::nullopt;
      name.remove_prefix(1);
      pattern.remove_prefix(1);
    }
  }
  return name.empty() ? std::optional(captures) : std::nullopt;
}

std::optional<std::string> fill_name(std::string_view pattern, const Captures& captures) {
  std::string name;
  while (!pattern.empty()) {
    if (pattern[0] == '{') {
      const Placeholder placeholder = take_placeholder(pattern);
      const int64_t number = placeholder.factor * captures.numbers[placeholder.letter] + placeholder.offset;
      if (number < 0) return std::nullopt;
      name += std::to_string(number);
    } else if (pattern[0] == '*') {
      return name.append(captures.last);
    } else {
      name += pattern[0];
      pattern.remove_prefix(1);
    }
  }
  return name;
}

}  // namespace

std::optional<std::string> map_name(std::string_view name, std::string_view from, std::string_view to) {
  const auto captures = match_name(name, from);
  return captures ? fill_name(to, *captures) : std::nullopt;
}

}  // namespace reviewkd
