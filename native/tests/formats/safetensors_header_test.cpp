// The header of the safetensors format: honest ones, and those that lie.
#include <gtest/gtest.h>

#include "formats/safetensors/safetensors_header.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::safetensors_header {
namespace {

SafetensorsHeader parse(const std::string& text, uint64_t data_bytes) {
  return parse_safetensors_header(text, data_bytes, "weights.safetensors");
}

TEST(SafetensorsHeader, GivesTensorsInTheOrderOfTheirBytes) {
  const auto header = parse(
      R"( {"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]}, "a" : {"shape":[2,3],"data_offsets":[0,24],"dtype":"F32"}}  )",
      32);
  ASSERT_EQ(header.entries.size(), 2u);
  EXPECT_EQ(header.entries[0].name, "a");
  EXPECT_EQ(header.entries[0].type, ElementType::kFloat32);
  EXPECT_EQ(header.entries[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.entries[0].begin, 0u);
  EXPECT_EQ(header.entries[0].end, 24u);
  EXPECT_EQ(header.entries[1].name, "b");
  EXPECT_TRUE(header.entries[1].shape.empty());
  EXPECT_TRUE(header.metadata.empty());
}

TEST(SafetensorsHeader, GivesItsMetadata) {
  const auto header = parse(R"({"__metadata__":{"format":"pt","epoch":"3"}})", 0);
  EXPECT_EQ(header.metadata, (Metadata{{"format", "pt"}, {"epoch", "3"}}));
  EXPECT_TRUE(header.entries.empty());
  EXPECT_TRUE(parse("{}", 0).metadata.empty());
}

TEST(SafetensorsHeader, UnescapesStrings) {
  const auto header = parse(R"({"__metadata__":{"\"\\\/\b\f\n\r\t":"\u00e9\u20ac\ud83d\ude00"}})", 0);
  EXPECT_EQ(header.metadata.at("\"\\/\b\f\n\r\t"), "é€😀");
}

TEST(SafetensorsHeader, TakesEmptyTensors) {
  const auto header = parse(
      R"({"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
      1);
  EXPECT_EQ(header.entries.size(), 2u);
}

TEST(SafetensorsHeader, KnowsEveryTypeOfElement) {
  for (const auto& [spelling, bytes] : {std::pair{"F64", 8},
                                        {"F32", 4},
                                        {"F16", 2},
                                        {"BF16", 2},
                                        {"I64", 8},
                                        {"I32", 4},
                                        {"I16", 2},
                                        {"I8", 1},
                                        {"U8", 1},
                                        {"BOOL", 1}}) {
    const auto header = parse(R"({"a":{"dtype":")" + std::string(spelling) + R"(","shape":[1],"data_offsets":[0,)" +
                                  std::to_string(bytes) + "]}}",
                              static_cast<uint64_t>(bytes));
    ASSERT_TRUE(header.entries[0].type);
    EXPECT_STREQ(row_of(*header.entries[0].type).safetensors, spelling);
  }
}

struct HostileHeader {
  const char* name;
  std::string text;
  uint64_t data_bytes;
  const char* code = "FILE_CORRUPT";
};

std::ostream& operator<<(std::ostream& out, const HostileHeader& header) { return out << header.name; }

/// A header with one tensor "a".
TEST(SafetensorsHeader, PassesOverOtherFields) {
  const auto header = parse(
      R"({"a":{"more":{"x":[1,-2.5e3,null,true,"y"]},"dtype":"U8","shape":[0],"data_offsets":[0,0],"last":7}})", 0);
  ASSERT_EQ(header.entries.size(), 1u);
  EXPECT_EQ(header.entries[0].name, "a");
}

TEST(SafetensorsHeader, KeepsTypesThatAreNotReadWithTheirPlace) {
  const auto header = parse(
      R"({"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
      4);
  EXPECT_FALSE(header.entries[0].type);
  EXPECT_EQ(header.entries[0].type_name, "F8_E4M3");
  EXPECT_TRUE(header.entries[1].type);
}

std::string one(const std::string& shape, const std::string& offsets, const std::string& type = "F32") {
  return R"({"a":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

const HostileHeader kHostile[] = {
    {"nothing", "", 0},
    {"a_list", "[]", 0},
    {"an_open_brace", "{", 0},
    {"text_behind_the_brace", "{} {}", 0},
    {"a_missing_colon", R"({"a" {}})", 0},
    {"a_trailing_comma", R"({"__metadata__":{},})", 0},
    {"a_name_twice",
     R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0},
    {"a_missing_field", R"({"a":{"dtype":"U8","shape":[0]}})", 0},
    {"a_field_without_a_value", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":}})", 0},
    {"a_field_of_endless_lists",
     R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":)" + std::string(100, '[') + "}}", 0},
    {"one_offset", one("[1]", "[0]"), 4},
    {"three_offsets", one("[1]", "[0,4,8]"), 4},
    {"a_type_that_is_no_name", one("[1]", "[0,4]", "float 32"), 4},
    {"a_type_without_a_name", one("[1]", "[0,4]", ""), 4},
    {"a_type_beyond_the_file", one("[1]", "[0,8]", "C64"), 4},
    {"a_negative_length", one("[-1]", "[0,4]"), 4},
    {"a_fraction", one("[1.5]", "[0,4]"), 4},
    {"a_number_beyond_64_bits", one("[18446744073709551616]", "[0,4]"), 4},
    {"a_length_beyond_63_bits", one("[9223372036854775808]", "[0,4]"), 4},
    {"seventeen_dimensions", one("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"), 4},
    {"a_shape_that_overflows", one("[4611686018427387904,4611686018427387904]", "[0,4]"), 4},
    {"a_shape_that_overflows_before_a_zero", one("[4611686018427387904,4611686018427387904,0]", "[0,0]"), 0},
    {"more_bytes_than_the_shape_has", one("[1]", "[0,8]"), 8},
    {"offsets_beyond_the_file", one("[2]", "[0,8]"), 4},
    {"offsets_in_reverse", one("[1]", "[4,0]"), 4},
    {"a_gap_before_the_first_tensor", one("[1]", "[4,8]"), 8},
    {"bytes_behind_the_last_tensor", one("[1]", "[0,4]"), 5},
    {"overlapping_tensors",
     R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
     12},
    {"a_control_character", "{\"a\n\":{}}", 0},
    {"a_name_that_is_not_utf8", "{\"\xc3\x28\":{}}", 0},
    {"an_unknown_escape", R"({"\x":{}})", 0},
    {"a_lone_low_surrogate", R"({"\udc00":{}})", 0},
    {"a_lone_high_surrogate", R"({"\ud800":{}})", 0},
    {"a_high_surrogate_before_another", R"({"\ud800\ud800":{}})", 0},
    {"too_few_hexadecimal_digits", R"({"\u12":{}})", 0},
    {"metadata_that_is_no_text", R"({"__metadata__":{"a":1}})", 0},
};

class HostileHeaders : public testing::TestWithParam<HostileHeader> {};

TEST_P(HostileHeaders, AreRefusedWithTheirCode) {
  const Error error = error_of([] { parse(GetParam().text, GetParam().data_bytes); });
  EXPECT_STREQ(to_string(error.code()), GetParam().code);
  EXPECT_NE(std::string(error.what()).find("weights.safetensors"), std::string::npos) << error.what();
}

INSTANTIATE_TEST_SUITE_P(Headers, HostileHeaders, testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SafetensorsHeader, BoundsTheNumberOfItsNames) {
  std::string text = R"({"__metadata__":{)";
  for (int i = 0; i < 400'000; ++i) text += "\"" + std::to_string(i) + "\":\"\",";
  text.back() = '}';
  EXPECT_EQ(code_of([&] { parse(text + "}", 0); }), "FILE_UNSUPPORTED");
}

TEST(SafetensorsTable, ReadsAFile) {
  const std::string json = one("[2]", "[0,8]");
  const Bytes file = little(json.size(), 8) + json + little(0x3f800000, 4) + little(0x40000000, 4);
  const auto table = read_safetensors_table(MemorySource("weights.safetensors", file.data(), file.size()));
  EXPECT_EQ(table.format, WeightsFormat::kSafetensors);
  ASSERT_EQ(table.tensors.size(), 1u);
  EXPECT_EQ(table.tensors[0].name, "a");
  EXPECT_EQ(table.tensors[0].strides, (std::vector<int64_t>{1}));
  const FileRange& storage = table.storages[table.tensors[0].storage];
  EXPECT_EQ(storage.begin, kSafetensorsLengthBytes + json.size());
  EXPECT_EQ(storage.bytes, 8u);
}

TEST(SafetensorsTable, RefusesLengthsBeyondTheFile) {
  const auto read = [](const Bytes& file) {
    return code_of([&] { read_safetensors_table(MemorySource("file", file.data(), file.size())); });
  };
  EXPECT_EQ(read(""), "FILE_CORRUPT");
  EXPECT_EQ(read("\x02\0\0"), "FILE_CORRUPT");
  EXPECT_EQ(read(little(uint64_t{1} << 60, 8) + "{}"), "FILE_CORRUPT");
  EXPECT_EQ(read(little(0xffffffff, 8) + "{}"), "FILE_CORRUPT");
  EXPECT_EQ(read(little(3, 8) + "{}"), "FILE_CORRUPT");
}

}  // namespace
}  // namespace reviewkd::tests::safetensors_header
