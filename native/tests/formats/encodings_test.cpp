// The small parts that readers of weights share: UTF-8, types of elements, numbers in little endian, sources of bytes.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "formats/byte_source.h"
#include "formats/element_type.h"
#include "formats/little_endian.h"
#include "formats/utf8.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"
#include "tests/support/temporary_path.h"

namespace reviewkd::tests::encodings {
namespace {

TEST(Utf8, AcceptsEveryLengthOfACodePoint) {
  for (const auto& good : {"", "plain", "é", "€", "😀", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"})
    EXPECT_TRUE(is_utf8(good)) << good;
  EXPECT_TRUE(is_utf8(raw("with\0zero")));
}

TEST(Utf8, RefusesWhatIsMalformed) {
  // A lone continuation, cut sequences, overlong forms, a surrogate, beyond the last code point, bytes that never
  // occur.
  for (const auto& bad : {"\x80", "\xc3", "\xc3\x28", "\xe2\x82", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
                          "\xf0\x80\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(ElementTypes, AreFoundByEverySpelling) {
  for (int i = 0; i <= static_cast<int>(ElementType::kBool); ++i) {
    const auto type = static_cast<ElementType>(i);
    const ElementTypeRow& row = row_of(type);
    EXPECT_EQ(row.type, type);
    EXPECT_EQ(bytes_of(type), row.bytes);
    EXPECT_EQ(element_type_of_name(row.name), type);
    EXPECT_EQ(element_type_of_safetensors(row.safetensors), type);
    EXPECT_EQ(element_type_of_storage(row.storage), type);
  }
  EXPECT_EQ(element_type_of_name("complex64"), std::nullopt);
  EXPECT_EQ(element_type_of_safetensors("f32"), std::nullopt);
  EXPECT_EQ(element_type_of_storage(""), std::nullopt);
}

TEST(LittleEndian, PutsTheLastByteHighest) {
  const Bytes bytes = raw("\x01\x02\x03\x04\x05\x06\x07\x88");
  EXPECT_EQ(little_endian<1>(bytes.data()), 0x01u);
  EXPECT_EQ(little_endian<2>(bytes.data()), 0x0201u);
  EXPECT_EQ(little_endian<4>(bytes.data()), 0x04030201u);
  EXPECT_EQ(little_endian<8>(bytes.data()), 0x8807060504030201u);
}

TEST(ByteSource, ReadsRangesWithinItsSizeAlone) {
  const MemorySource source("memory", "abcdef", 6);
  EXPECT_TRUE(source.holds(0, 6));
  EXPECT_TRUE(source.holds(6, 0));
  EXPECT_FALSE(source.holds(7, 0));
  EXPECT_FALSE(source.holds(1, 6));
  EXPECT_FALSE(source.holds(1, UINT64_MAX));
  char target[3] = {};
  source.read(2, target, 3);
  EXPECT_EQ(std::string(target, 3), "cde");
  EXPECT_EQ(code_of([&] { source.read(4, target, 3); }), "FILE_CORRUPT");
  EXPECT_NO_THROW(source.read(6, nullptr, 0));
}

TEST(FileSource, ReadsAFileAndReportsMissingOnes) {
  const std::string path = temporary_path("reviewkd-byte-source");
  EXPECT_EQ(code_of([&] { const FileSource source(path); }), "FILE_NOT_FOUND");
  std::ofstream(path, std::ios::binary) << "abcdef";
  {
    const FileSource source(path);
    EXPECT_EQ(source.size(), 6u);
    EXPECT_EQ(source.name(), path);
    char target[2] = {};
    source.read(4, target, 2);
    EXPECT_EQ(std::string(target, 2), "ef");
    // Another program cuts the file short while it is read.
    std::filesystem::resize_file(path, 5);
    EXPECT_EQ(code_of([&] { source.read(4, target, 2); }), "FILE_CORRUPT");
  }
  std::filesystem::remove(path);
}

TEST(Checksum, IsCrc32OfThePartsInTurn) {
  const Bytes check = "123456789";
  EXPECT_EQ(crc32(check.data(), check.size()), 0xcbf43926u);
  EXPECT_EQ(crc32(check.data() + 4, 5, crc32(check.data(), 4)), 0xcbf43926u);
  EXPECT_EQ(crc32(nullptr, 0), 0u);
}

}  // namespace
}  // namespace reviewkd::tests::encodings
