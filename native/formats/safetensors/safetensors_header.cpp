// Parses the header's JSON with a strict grammar that accepts only what a header may contain.

#include "formats/safetensors/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string_view>

#include "core/base/error.h"
#include "formats/utf8.h"

namespace reviewkd {
namespace {

constexpr size_t kMaxDimensions = 16;
constexpr size_t kLongestType = 16;
constexpr size_t kDeepestValue = 16;
// Names in the whole header, four per tensor: a hundred thousand tensors. Short names would otherwise take ten times
// the memory of their text.
constexpr size_t kMostMembers = 400'000;

class HeaderReader {
 public:
  HeaderReader(const std::string& text, const std::string& path) : text_(text), path_(path) {}

  SafetensorsHeader read() {
    SafetensorsHeader header;
    std::set<std::string> names;
    each_member([&](const std::string& key) {
      if (!names.insert(key).second) corrupt("unique names, received \"" + key + "\" twice");
      if (key == "__metadata__") {
        // The reference reader takes null for no metadata.
        if (!accept_word("null")) each_member([&](const std::string& name) { header.metadata[name] = string(); });
      } else {
        header.entries.push_back(entry(key));
      }
    });
    skip_space();
    if (position_ != text_.size()) corrupt("no data after the closing brace");
    return header;
  }

  [[noreturn]] void corrupt(const std::string& expected) const {
    fail(ErrorCode::kFileCorrupt, "invalid header of ", path_, " at byte ", position_, " of the header: expected ",
         expected, ". The file is damaged or not a safetensors file.");
  }

 private:
  TensorEntry entry(const std::string& name) {
    TensorEntry entry{name, std::nullopt, "", {}, 0, 0};
    std::set<std::string> seen;
    each_member([&](const std::string& key) {
      if (key == "dtype") {
        entry.type_name = type_name();
        entry.type = element_type_of_safetensors(entry.type_name);
      } else if (key == "shape") {
        for (uint64_t length : numbers(kMaxDimensions)) {
          if (length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
            corrupt("a shape that fits into memory");
          entry.shape.push_back(static_cast<int64_t>(length));
        }
      } else if (key == "data_offsets") {
        const auto offsets = numbers(2);
        if (offsets.size() != 2) corrupt("two data_offsets for \"" + name + "\"");
        entry.begin = offsets[0];
        entry.end = offsets[1];
      } else {
        skip_value(0);  // as the reference reader does
        return;
      }
      seen.insert(key);
    });
    if (seen.size() != 3) corrupt("dtype, shape and data_offsets for \"" + name + "\"");
    return entry;
  }

  /// A type's name: newer versions of the format add some.
  std::string type_name() {
    std::string name = string();
    const bool is_plain = std::all_of(
        name.begin(), name.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
    if (name.empty() || name.size() > kLongestType || !is_plain) corrupt("a type such as F32");
    return name;
  }

  template <typename Visit>
  void each_member(Visit visit) {
    expect('{');
    if (accept('}')) return;
    do {
      const std::string key = string();
      if (++members_ > kMostMembers) {
        fail(ErrorCode::kFileUnsupported, "invalid header of ", path_, ": expected at most ", kMostMembers,
             " names, received more.");
      }
      expect(':');
      visit(key);
    } while (accept(','));
    expect('}');
  }

  /// Passes over a value of any kind.
  void skip_value(size_t depth) {
    if (depth > kDeepestValue) corrupt("values nested less deeply");
    skip_space();
    const char first = position_ < text_.size() ? text_[position_] : '\0';
    if (first == '"') {
      string();
    } else if (first == '{') {
      each_member([&](const std::string&) { skip_value(depth + 1); });
    } else if (first == '[') {
      expect('[');
      if (accept(']')) return;
      do skip_value(depth + 1);
      while (accept(','));
      expect(']');
    } else {
      const size_t end = text_.find_first_not_of("+-.0123456789Eaeflnrstu", position_);
      if (end == position_ || end == std::string::npos) corrupt("a value");
      position_ = end;
    }
  }

  std::vector<uint64_t> numbers(size_t limit) {
    std::vector<uint64_t> values;
    expect('[');
    if (accept(']')) return values;
    do {
      if (values.size() == limit) corrupt("at most " + std::to_string(limit) + " numbers in a list");
      values.push_back(number());
    } while (accept(','));
    expect(']');
    return values;
  }

  uint64_t number() {
    skip_space();
    const size_t start = position_;
    uint64_t value = 0;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      const uint64_t digit = static_cast<uint64_t>(text_[position_] - '0');
      if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) corrupt("numbers below 2^64");
      value = value * 10 + digit;
    }
    if (position_ == start) corrupt("a whole number");
    return value;
  }

  std::string string() {
    expect('"');
    std::string value;
    while (true) {
      if (position_ >= text_.size()) corrupt("a closing quote");
      const char c = text_[position_++];
      if (c == '"') {
        if (!is_utf8(value)) corrupt("strings in UTF-8");
        return value;
      }
      if (static_cast<unsigned char>(c) < 0x20) corrupt("no control characters in strings");
      if (c == '\\') {
        append_escape(value);
      } else {
        value += c;
      }
    }
  }

  void append_escape(std::string& value) {
    if (position_ >= text_.size()) corrupt("a character after a backslash");
    switch (const char c = text_[position_++]) {
      case '"':
      case '\\':
      case '/': value += c; return;
      case 'b': value += '\b'; return;
      case 'f': value += '\f'; return;
      case 'n': value += '\n'; return;
      case 'r': value += '\r'; return;
      case 't': value += '\t'; return;
      case 'u': append_utf8(value, code_point()); return;
      default: corrupt("a known escape in a string");
    }
  }

  uint32_t hex4() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = position_ < text_.size() ? text_[position_++] : '\0';
      const uint32_t digit = c >= '0' && c <= '9'   ? c - '0'
                             : c >= 'a' && c <= 'f' ? c - 'a' + 10
                             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                    : 16;
      if (digit == 16) corrupt("four hexadecimal digits after \\u");
      value = value * 16 + digit;
    }
    return value;
  }

  uint32_t code_point() {
    const uint32_t first = hex4();
    if (first >= 0xDC00 && first < 0xE000) corrupt("a high surrogate before a low one");
    if (first < 0xD800 || first >= 0xDC00) return first;
    if (position_ + 1 >= text_.size() || text_[position_] != '\\' || text_[position_ + 1] != 'u')
      corrupt("a low surrogate");
    position_ += 2;
    const uint32_t second = hex4();
    if (second < 0xDC00 || second >= 0xE000) corrupt("a low surrogate");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  static void append_utf8(std::string& value, uint32_t point) {
    const auto tail = [&](int shift) { value += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
    if (point < 0x80) {
      value += static_cast<char>(point);
    } else if (point < 0x800) {
      value += static_cast<char>(0xC0 | (point >> 6));
      tail(0);
    } else if (point < 0x10000) {
      value += static_cast<char>(0xE0 | (point >> 12));
      tail(6);
      tail(0);
    } else {
      value += static_cast<char>(0xF0 | (point >> 18));
      tail(12);
      tail(6);
      tail(0);
    }
  }

  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n' ||
                                        text_[position_] == '\r' || text_[position_] == '\t')) {
      ++position_;
    }
  }

  bool accept(char c) {
    skip_space();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (std::string_view(text_).substr(position_, word.size()) != word) return false;
    position_ += word.size();
    return true;
  }

  void expect(char c) {
    if (!accept(c)) corrupt(std::string("\"") + c + "\"");
  }

  const std::string& text_;
  const std::string& path_;
  size_t position_ = 0;
  size_t members_ = 0;
};

/// Size in bytes by type and shape; nullopt if lengths multiply beyond 64 bits, even if another length is 0.
std::optional<uint64_t> bytes_of(const TensorEntry& entry) {
  uint64_t bytes = bytes_of(*entry.type);
  bool is_empty = false;
  for (const int64_t length : entry.shape) {
    is_empty = is_empty || length == 0;
    if (length > 0 && __builtin_mul_overflow(bytes, static_cast<uint64_t>(length), &bytes)) return std::nullopt;
  }
  return is_empty ? 0 : bytes;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& text, uint64_t data_bytes, const std::string& path) {
  HeaderReader reader(text, path);
  SafetensorsHeader header = reader.read();
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const TensorEntry& a, const TensorEntry& b) { return a.begin < b.begin; });
  uint64_t expected = 0;  // tensors follow each other without gaps or overlaps
  for (const auto& entry : header.entries) {
    if (entry.begin != expected || entry.end < entry.begin || entry.end > data_bytes) {
      reader.corrupt("contiguous tensors within the file, received other offsets for \"" + entry.name + "\"");
    }
    if (entry.type && bytes_of(entry) != entry.end - entry.begin) {
      reader.corrupt("the number of bytes of type and shape, received " + std::to_string(entry.end - entry.begin) +
                     " for \"" + entry.name + "\"");
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    reader.corrupt(std::to_string(expected) + " bytes of tensors, received " + std::to_string(data_bytes));
  }
  return header;
}

}  // namespace reviewkd
