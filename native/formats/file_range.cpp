#include "formats/file_range.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/base/error.h"

namespace reviewkd {
namespace {

constexpr uint64_t kDecodedPiece = uint64_t{64} << 10;

std::optional<uint8_t> hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  const auto lower = static_cast<uint8_t>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') return static_cast<uint8_t>(lower - 'a' + 10);
  return std::nullopt;
}

/// Decodes a text character by character, across the borders of pieces.
class TextDecoder {
 public:
  explicit TextDecoder(TextEncoding encoding) : encoding_(encoding) {}

  /// Passes each byte that ends with `c` to `emit`. Returns whether the text is valid so far.
  template <typename Emit>
  bool put(uint8_t c, Emit emit) {
    if (encoding_ == TextEncoding::kUtf8) return put_utf8(c, emit);
    if (digits_ > 0) return put_digit(c, emit);
    if (!is_escaped_) {
      is_escaped_ = c == '\\';
      if (!is_escaped_) emit(c);
      return true;
    }
    is_escaped_ = false;
    return encoding_ == TextEncoding::kStringEscape ? put_escaped(c, emit) : begin_digits(c, 'u', 4);
  }

  /// Whether no character is incomplete.
  bool is_complete() const { return !is_escaped_ && digits_ == 0 && !has_lead_; }

 private:
  /// One byte, or two of which the first has the upper two bits.
  template <typename Emit>
  bool put_utf8(uint8_t c, Emit emit) {
    if (has_lead_) {
      has_lead_ = false;
      if ((c & 0xC0) != 0x80) return false;
      emit(static_cast<uint8_t>(value_ << 6 | (c & 0x3F)));
      return true;
    }
    if (c < 0x80) {
      emit(c);
      return true;
    }
    has_lead_ = c == 0xC2 || c == 0xC3;
    value_ = c & 0x03;
    return has_lead_;
  }

  /// The character behind a backslash, as repr() of Python 2 writes it.
  template <typename Emit>
  bool put_escaped(uint8_t c, Emit emit) {
    constexpr std::string_view kLetters = "\\'\"nrtabfv";
    constexpr std::string_view kValues = "\\'\"\n\r\t\a\b\f\v";
    const size_t index = kLetters.find(static_cast<char>(c));
    if (index == std::string_view::npos) return begin_digits(c, 'x', 2);
    emit(static_cast<uint8_t>(kValues[index]));
    return true;
  }

  bool begin_digits(uint8_t c, char letter, int digits) {
    digits_ = digits;
    value_ = 0;
    return c == static_cast<uint8_t>(letter);
  }

  template <typename Emit>
  bool put_digit(uint8_t c, Emit emit) {
    const auto digit = hex_digit(c);
    if (!digit) return false;
    value_ = value_ << 4 | *digit;
    if (--digits_ > 0) return true;
    if (value_ > 0xFF) return false;
    emit(static_cast<uint8_t>(value_));
    return true;
  }

  TextEncoding encoding_;
  bool is_escaped_ = false;
  bool has_lead_ = false;
  /// Hexadecimal digits still to come.
  int digits_ = 0;
  uint32_t value_ = 0;
};

/// Passes each byte of a part of a text to `emit`. Returns whether the text is valid so far.
template <typename Emit>
bool decode_part(TextDecoder& decoder, std::string_view part, Emit emit) {
  return std::all_of(part.begin(), part.end(), [&](char c) { return decoder.put(static_cast<uint8_t>(c), emit); });
}

/// The same for a whole text.
template <typename Emit>
bool decode(const ByteSource& source, uint64_t begin, uint64_t bytes, TextEncoding encoding, Emit emit) {
  TextDecoder decoder(encoding);
  std::array<char, kDecodedPiece> piece;
  for (uint64_t done = 0; done < bytes; done += piece.size()) {
    const uint64_t count = std::min<uint64_t>(piece.size(), bytes - done);
    source.read(begin + done, piece.data(), count);
    if (!decode_part(decoder, {piece.data(), count}, emit)) return false;
  }
  return decoder.is_complete();
}

void reverse_numbers(uint8_t* bytes, uint64_t count, uint64_t width) {
  for (uint64_t i = 0; i + width <= count; i += width) std::reverse(bytes + i, bytes + i + width);
}

}  // namespace

std::optional<uint64_t> decoded_bytes(const ByteSource& source, uint64_t begin, uint64_t bytes, TextEncoding encoding) {
  if (encoding == TextEncoding::kNone) return bytes;
  uint64_t count = 0;
  const bool is_valid = decode(source, begin, bytes, encoding, [&](uint8_t) { ++count; });
  return is_valid ? std::optional(count) : std::nullopt;
}

std::optional<uint64_t> decoded_bytes(std::string_view text, TextEncoding encoding) {
  if (encoding == TextEncoding::kNone) return text.size();
  uint64_t count = 0;
  TextDecoder decoder(encoding);
  const bool is_valid = decode_part(decoder, text, [&](uint8_t) { ++count; }) && decoder.is_complete();
  return is_valid ? std::optional(count) : std::nullopt;
}

std::optional<std::string> decoded(std::string_view text, TextEncoding encoding) {
  if (encoding == TextEncoding::kNone) return std::string(text);
  std::string bytes;
  TextDecoder decoder(encoding);
  const bool is_valid =
      decode_part(decoder, text, [&](uint8_t byte) { bytes += static_cast<char>(byte); }) && decoder.is_complete();
  return is_valid ? std::optional(std::move(bytes)) : std::nullopt;
}

void read_content(const ByteSource& source, const FileRange& range, void* target) {
  auto* const bytes = static_cast<uint8_t*>(target);
  const uint64_t count = content_bytes(range);
  if (range.encoding == TextEncoding::kNone) {
    source.read(range.begin, bytes, count);
  } else {
    uint64_t done = 0;
    const bool is_valid = decode(source, range.begin, range.bytes, range.encoding, [&](uint8_t byte) {
      if (done < count) bytes[done] = byte;
      ++done;
    });
    if (!is_valid || done != count) {
      fail(ErrorCode::kFileCorrupt, "invalid bytes in ", source.name(), ": expected ", count, " at byte ", range.begin,
           ", received others. Another process changed the file; read it again.");
    }
  }
  if (range.reversed > 1) reverse_numbers(bytes, count, range.reversed);
}

}  // namespace reviewkd
