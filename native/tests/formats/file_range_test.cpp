// Contents of ranges: texts that stand for bytes, and numbers in the other byte order.
#include <gtest/gtest.h>

#include "formats/file_range.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::file_range {
namespace {

/// The content of a whole text as a range of a file.
Bytes content(const Bytes& stored, TextEncoding encoding, uint8_t reversed = 1) {
  const MemorySource source("weights.pkl", stored.data(), stored.size());
  const auto count = decoded_bytes(source, 0, stored.size(), encoding);
  if (!count) return "invalid";
  EXPECT_EQ(decoded_bytes(stored, encoding), count);
  Bytes result(*count, '?');
  read_content(source, {0, stored.size(), 0, encoding, reversed, *count}, result.data());
  EXPECT_EQ(decoded(stored, encoding), reversed > 1 ? decoded(stored, encoding) : std::optional(result));
  return result;
}

TEST(FileRange, KeepsBytesThatAreNotEncoded) {
  EXPECT_EQ(content(raw("\x00\xff\\"), TextEncoding::kNone), raw("\x00\xff\\"));
}

TEST(FileRange, DecodesLatin1InUtf8) {
  EXPECT_EQ(content(raw("a\x00\xc2\x80\xc3\xbf"), TextEncoding::kUtf8), raw("a\x00\x80\xff"));
  for (const char* text : {"\xc4\x80", "\xc2", "\xc2z", "\x80", "\xe2\x82\xac", "\xc0\x80"})
    EXPECT_EQ(content(text, TextEncoding::kUtf8), "invalid") << text;
}

TEST(FileRange, DecodesTheEscapesOfPython2) {
  EXPECT_EQ(content(R"(a\x00\xFf\n\r\t\\\'\"\a\b\f\v)", TextEncoding::kStringEscape),
            raw("a\x00\xff\n\r\t\\'\"\a\b\f\v"));
  EXPECT_EQ(content("\xe9", TextEncoding::kStringEscape), "\xe9");
  for (const char* text : {"\\", "\\x", "\\x0", "\\xg0", "\\q", "\\u0041"})
    EXPECT_EQ(content(text, TextEncoding::kStringEscape), "invalid") << text;
}

TEST(FileRange, DecodesTheEscapesOfPython3) {
  EXPECT_EQ(content("a\\u0000\\u005c\xe9\\u00fF", TextEncoding::kUnicodeEscape), raw("a\x00\\\xe9\xff"));
  for (const char* text : {"\\", "\\u", "\\u00f", "\\u0100", "\\n", "\\\\", "\\U00000041"})
    EXPECT_EQ(content(text, TextEncoding::kUnicodeEscape), "invalid") << text;
}

TEST(FileRange, DecodesAcrossThePiecesThatItReads) {
  const Bytes text = "a" + repeated("\\u0001", 40'000);
  EXPECT_EQ(content(text, TextEncoding::kUnicodeEscape), "a" + Bytes(40'000, '\1'));
}

TEST(FileRange, ReversesNumbersOfTheirWidth) {
  EXPECT_EQ(content("abcdefgh", TextEncoding::kNone, 2), "badcfehg");
  EXPECT_EQ(content("abcdefgh", TextEncoding::kNone, 8), "hgfedcba");
  EXPECT_EQ(content(R"(\x01\x02\x03\x04)", TextEncoding::kStringEscape, 4), raw("\x04\x03\x02\x01"));
}

TEST(FileRange, NoticesAFileThatChanged) {
  const Bytes stored = "a\\u0001";
  const MemorySource source("weights.pkl", stored.data(), stored.size());
  for (const uint64_t count : {1, 3}) {
    Bytes target(3, '?');
    const FileRange range{0, stored.size(), 0, TextEncoding::kUnicodeEscape, 1, count};
    EXPECT_EQ(code_of([&] { read_content(source, range, target.data()); }), "FILE_CORRUPT");
    EXPECT_EQ(target[count == 1 ? 1 : 2], '?') << "nothing behind the expected bytes";
  }
}

}  // namespace
}  // namespace reviewkd::tests::file_range
