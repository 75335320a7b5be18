#pragma once
// A range of bytes in a file, and the form in which it contains those of a tensor.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/byte_source.h"

namespace reviewkd {

/// Texts that pickles write in place of bytes: each character stands for one byte.
enum class TextEncoding : uint8_t {
  kNone,           // the bytes themselves
  kUtf8,           // characters below U+0100: bytes in protocols 1 and 2 of Python 3
  kStringEscape,   // \x00, \n, \': protocol 0 of Python 2
  kUnicodeEscape,  // \u0000: protocol 0 of Python 3
};

struct FileRange {
  uint64_t begin;
  /// In the file.
  uint64_t bytes;
  /// The expected checksum; 0 if the file has none.
  uint32_t crc32 = 0;
  TextEncoding encoding = TextEncoding::kNone;
  /// The width of numbers whose bytes are stored in reverse order, most significant first; 1 if none are.
  uint8_t reversed = 1;
  /// Number of bytes that an encoded text stands for.
  uint64_t decoded = 0;
};

/// Number of bytes of the content: in the file or, of an encoded text, decoded.
inline uint64_t content_bytes(const FileRange& range) {
  return range.encoding == TextEncoding::kNone ? range.bytes : range.decoded;
}

/// Number of bytes that a text of a file stands for; nullopt if it is none of that encoding, or stands for more than
/// bytes.
std::optional<uint64_t> decoded_bytes(const ByteSource& source, uint64_t begin, uint64_t bytes, TextEncoding encoding);
std::optional<uint64_t> decoded_bytes(std::string_view text, TextEncoding encoding);

/// The bytes themselves.
std::optional<std::string> decoded(std::string_view text, TextEncoding encoding);

/// Reads `content_bytes` bytes: decoded, and with numbers in little-endian order. Does not look at the checksum. Throws
/// FILE_CORRUPT if the file has changed since `decoded_bytes`.
void read_content(const ByteSource& source, const FileRange& range, void* target);

}  // namespace reviewkd
