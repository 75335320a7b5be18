// The directory of a zip archive: honest ones, and those that lie.
#include <gtest/gtest.h>

#include "formats/pytorch/zip_archive.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::zip_archive {
namespace {

std::vector<ZipRecord> records_of(const Bytes& bytes) {
  return read_zip_directory(MemorySource("archive.pt", bytes.data(), bytes.size()));
}

const std::vector<ZipEntry> kEntries = {{"a/data.pkl", "first"}, {"a/data/0", "second record"}};

void expect_entries(const Bytes& bytes) {
  const auto records = records_of(bytes);
  ASSERT_EQ(records.size(), kEntries.size());
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].name, kEntries[i].name);
    EXPECT_EQ(bytes.substr(records[i].begin, records[i].bytes), kEntries[i].content);
    EXPECT_EQ(records[i].crc32, crc32(kEntries[i].content.data(), kEntries[i].content.size()));
  }
}

TEST(ZipArchive, ListsRecordsWithTheirPlaceAndChecksum) { expect_entries(zip(kEntries)); }

TEST(ZipArchive, ReadsSizesAndOffsetsOf64Bits) { expect_entries(zip(kEntries, std::nullopt, /*zip64=*/true)); }

TEST(ZipArchive, FindsItsEndInFrontOfAComment) {
  expect_entries(zip(kEntries, std::nullopt, false, "a comment with PK\x05\x06 in it"));
  expect_entries(zip(kEntries, std::nullopt, false, Bytes(65'535, 'c')));
}

TEST(ZipArchive, MayBeEmpty) { EXPECT_TRUE(records_of(zip({})).empty()); }

TEST(ZipArchive, IsKnownByItsFirstBytes) {
  const auto is = [](const Bytes& bytes) { return is_zip(MemorySource("file", bytes.data(), bytes.size())); };
  EXPECT_TRUE(is(zip(kEntries)));
  EXPECT_TRUE(is(zip({})));
  EXPECT_FALSE(is("PK"));
  EXPECT_FALSE(is(""));
  EXPECT_FALSE(is("PK\x01\x02 and more"));
}

TEST(ZipArchive, ListsCompressedRecordsWithoutUnpackingThem) {
  const Bytes bytes = zip({{"a", "text", 8}, {"b", "text"}});
  const auto records = read_zip_directory(MemorySource("weights.pt", bytes.data(), bytes.size()));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(records[0].is_compressed);
  EXPECT_EQ(records[0].bytes, 4u);
  EXPECT_FALSE(records[1].is_compressed);
}

struct HostileArchive {
  const char* name;
  Bytes bytes;
  const char* code;
  const char* says = "";
};

std::ostream& operator<<(std::ostream& out, const HostileArchive& archive) { return out << archive.name; }

/// An end record of 64 bits with these claims, spliced into a good archive.
Bytes with_zip64_end(uint64_t position, uint64_t count) {
  const Bytes good = zip(kEntries), end = good.substr(good.size() - 22);
  return good.substr(0, good.size() - 22) + "PK\x06\x06" + little(44, 8) + little(0, 12) + little(count, 8) +
         little(count, 8) + little(uint64_t{1} << 60, 8) + little(position, 8) + "PK\x06\x07" + little(0, 4) +
         little(good.size() - 22, 8) + little(1, 4) + end;
}

const HostileArchive kHostile[] = {
    {"nothing", "", "FILE_CORRUPT"},
    {"cut_in_half", zip(kEntries).substr(0, zip(kEntries).size() / 2), "FILE_CORRUPT"},
    {"without_its_last_byte", zip(kEntries).substr(0, zip(kEntries).size() - 1), "FILE_CORRUPT"},
    {"encrypted", zip({{"a", "text", 0, 1}}), "FILE_UNSUPPORTED", "encrypted"},
    {"a_record_twice", zip({{"a", "text"}, {"a", "text"}}), "FILE_CORRUPT", "unique"},
    {"overlapping_records", zip({{"a", "text", 0, 0, 20}, {"b", "text"}}), "FILE_CORRUPT", "overlap"},
    {"one_record_in_place_of_another", zip({{"a", "text"}, {"b", "text", 0, 0, std::nullopt, 0}}), "FILE_CORRUPT"},
    {"a_record_of_4_gib", zip({{"a", "text", 0, 0, 0xfffffffe}}), "FILE_CORRUPT"},
    {"a_record_beyond_the_file", zip({{"a", "text", 0, 0, std::nullopt, 0x7fffffff}}), "FILE_CORRUPT"},
    {"more_records_than_there_are", zip(kEntries, 60'000), "FILE_CORRUPT"},
    {"fewer_records_than_there_are", zip(kEntries, 1), "FILE_CORRUPT", "more bytes"},
    {"a_directory_of_2_to_60_bytes", with_zip64_end(0, 2), "FILE_CORRUPT"},
    {"2_to_60_records", with_zip64_end(uint64_t{1} << 60, uint64_t{1} << 60), "FILE_CORRUPT"},
};

class HostileArchives : public testing::TestWithParam<HostileArchive> {};

TEST_P(HostileArchives, AreRefusedWithTheirCode) {
  const Error error = error_of([] { records_of(GetParam().bytes); });
  EXPECT_STREQ(to_string(error.code()), GetParam().code);
  EXPECT_NE(std::string(error.what()).find("archive.pt"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find(GetParam().says), std::string::npos) << error.what();
}

INSTANTIATE_TEST_SUITE_P(Files, HostileArchives, testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(HostileZip, IsRefusedWhereverItIsCut) {
  const Bytes good = zip(kEntries);
  for (size_t bytes = 0; bytes < good.size(); ++bytes)
    EXPECT_EQ(code_of([&] { records_of(good.substr(0, bytes)); }), "FILE_CORRUPT") << bytes;
}

}  // namespace
}  // namespace reviewkd::tests::zip_archive
