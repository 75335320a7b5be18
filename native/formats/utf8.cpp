#include "formats/utf8.h"

#include <cstdint>

namespace reviewkd {

bool is_utf8(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    const auto first = static_cast<uint8_t>(bytes[i]);
    const bool is_two = first >= 0xC2 && first < 0xE0;
    const bool is_three = first >= 0xE0 && first < 0xF0;
    const bool is_four = first >= 0xF0 && first < 0xF5;
    const size_t length = first < 0x80 ? 1 : is_two ? 2 : is_three ? 3 : is_four ? 4 : 0;
    if (length == 0 || length > bytes.size() - i) return false;
    uint32_t point = length == 1 ? first : first & (0xFFu >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<uint8_t>(bytes[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      point = (point << 6) | (next & 0x3F);
    }
    // Overlong, a surrogate, or beyond the last code point.
    if ((length == 3 && (point < 0x800 || (point >= 0xD800 && point < 0xE000))) ||
        (length == 4 && (point < 0x10000 || point > 0x10FFFF))) {
      return false;
    }
    i += length;
  }
  return true;
}

std::string utf8_of_latin1(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xC0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return text;
}

}  // namespace reviewkd
