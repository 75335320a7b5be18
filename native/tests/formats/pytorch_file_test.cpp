// Files of torch.save in both layouts: archives, and the streams before them.
#include <gtest/gtest.h>

#include "formats/pytorch/pytorch_file.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::pytorch_file {
namespace {

PickledFile read_zip(const Bytes& bytes) {
  return read_pytorch_zip(MemorySource("weights.pt", bytes.data(), bytes.size()));
}
PickledFile read_stream(const Bytes& bytes) {
  return read_pytorch_legacy(MemorySource("weights.pt", bytes.data(), bytes.size()));
}

TEST(PyTorchArchive, FindsPickleAndStoragesInItsFolder) {
  const Bytes content = pickle(state_dict()), values = "twelve bytes";
  const Bytes bytes =
      zip({{"any name/byteorder", "little"}, {"any name/data.pkl", content}, {"any name/data/0", values}});
  const MemorySource source("weights.pt", bytes.data(), bytes.size());
  const auto file = read_pytorch_zip(source);
  EXPECT_EQ(file.format, WeightsFormat::kPyTorchZip);
  ASSERT_EQ(file.storages.size(), 1u);
  EXPECT_EQ(bytes.substr(file.storages[0].begin, file.storages[0].bytes), values);
  EXPECT_EQ(file.storages[0].crc32, crc32(values.data(), values.size()));
  EXPECT_EQ(bytes.substr(file.pickle.begin, file.pickle.bytes), content);
  EXPECT_NE(reviewkd::pickle::find(file.heap, file.heap.at(file.root), "weight"), nullptr);
}

TEST(PyTorchStream, FindsStoragesBehindItsPickles) {
  const Bytes values = "twelve bytes";
  const Bytes bytes = legacy(pickle(state_dict()), {.storages = little(3, 8) + values});
  const MemorySource source("weights.pt", bytes.data(), bytes.size());
  const auto file = read_pytorch_legacy(source);
  EXPECT_EQ(file.format, WeightsFormat::kPyTorchLegacy);
  ASSERT_EQ(file.storages.size(), 1u);
  EXPECT_EQ(bytes.substr(file.storages[0].begin, file.storages[0].bytes), values);
}

TEST(PyTorchStream, PlacesStoragesInTheOrderOfTheirList) {
  const Bytes content =
      pickle(dict(text("a") + tensor() + text("b") + tensor({.key = "1", .elements = 1, .shape = {1}})));
  const Bytes bytes =
      legacy(content, {.keys = {"1", "0"}, .storages = little(1, 8) + "bbbb" + little(3, 8) + "aaaaaaaaaaaa"});
  const auto file = read_stream(bytes);
  ASSERT_EQ(file.storages.size(), 2u);
  EXPECT_EQ(bytes.substr(file.storages[0].begin, file.storages[0].bytes), "aaaaaaaaaaaa");
  EXPECT_EQ(bytes.substr(file.storages[1].begin, file.storages[1].bytes), "bbbb");
}

TEST(PyTorchStream, PassesOverElementsThatItDoesNotRead) {
  const Bytes content = pickle(dict(text("a") + tensor({.type = "ComplexFloatStorage", .elements = 2}) + text("b") +
                                    tensor({.key = "1", .elements = 1, .shape = {1}})));
  const Bytes bytes =
      legacy(content, {.keys = {"0", "1"}, .storages = little(2, 8) + Bytes(16, 'x') + little(1, 8) + "bbbb"});
  const auto file = read_stream(bytes);
  ASSERT_EQ(file.storages.size(), 1u);
  EXPECT_EQ(bytes.substr(file.storages[0].begin, file.storages[0].bytes), "bbbb");
}

struct HostileFile {
  const char* name;
  PickledFile (*read)(const Bytes&);
  Bytes bytes;
  const char* code = "FILE_CORRUPT";
  const char* says = "";
};

std::ostream& operator<<(std::ostream& out, const HostileFile& file) { return out << file.name; }

const Bytes kGood = pickle(state_dict());

const HostileFile kHostile[] = {
    {"an_archive_of_something_else", read_zip, zip({{"letter.txt", "dear reader"}}), "FILE_UNSUPPORTED",
     "another ZIP archive with letter.txt"},
    {"an_empty_archive", read_zip, zip({}), "FILE_UNSUPPORTED", "another ZIP archive"},
    {"an_archive_of_a_failed_save", read_zip, zip({{"a/version", "3\n"}}), "FILE_CORRUPT", "Save it again"},
    {"an_archive_with_a_version", read_zip, zip({{"a/version", "3"}, {"a/net.pth", "net"}}), "FILE_UNSUPPORTED",
     "another ZIP archive"},
    {"an_archive_of_data", read_zip, zip({{"a/data/0.png", "image"}}), "FILE_UNSUPPORTED", "another ZIP archive"},
    {"an_archive_of_numpy", read_zip, zip({{"conv1.npy", "values"}}), "FILE_UNSUPPORTED", "numpy.load"},
    {"an_archive_of_keras", read_zip, zip({{"config.json", "{}"}, {"model.weights.h5", "values"}}), "FILE_UNSUPPORTED",
     "Keras"},
    {"an_exported_program", read_zip, zip({{"net/archive_format", "pt2"}}), "FILE_UNSUPPORTED", "torch.export"},
    {"an_archive_of_torchscript", read_zip,
     zip({{"net/data.pkl", kGood}, {"net/code/net.py", "code", 8}, {"net/constants.pkl", kGood}}), "FILE_UNSUPPORTED",
     "torch.jit.load"},
    {"an_archive_packed_again", read_zip, zip({{"a/data.pkl", kGood, 8}}), "FILE_UNSUPPORTED", "zip -0"},
    {"an_archive_with_a_packed_storage", read_zip, zip({{"a/data.pkl", kGood}, {"a/data/0", Bytes(12, '\0'), 8}}),
     "FILE_UNSUPPORTED", "zip -0"},
    {"an_archive_with_a_packed_byte_order", read_zip, zip({{"a/data.pkl", kGood}, {"a/byteorder", "little", 8}}),
     "FILE_UNSUPPORTED", "zip -0"},
    {"a_stream_with_elements_of_unknown_size", read_stream, legacy(pickle(state_dict({.type = "QUInt4x2Storage"}))),
     "FILE_UNSUPPORTED", "QUInt4x2Storage"},
    {"a_stream_with_more_complex_numbers_than_bytes", read_stream,
     legacy(pickle(state_dict({.type = "ComplexFloatStorage"}))), "FILE_CORRUPT", "ComplexFloatStorage"},
    {"an_archive_with_the_greatest_byte_first", read_zip,
     zip({{"a/data.pkl", kGood}, {"a/data/0", Bytes(12, '\0')}, {"a/byteorder", "big"}}), "FILE_UNSUPPORTED",
     "big-endian"},
    {"an_archive_without_its_storage", read_zip, zip({{"a/data.pkl", kGood}}), "FILE_CORRUPT", "data/0"},
    {"an_archive_with_a_short_storage", read_zip, zip({{"a/data.pkl", kGood}, {"a/data/0", Bytes(11, '\0')}}),
     "FILE_CORRUPT", "data/0"},
    {"an_archive_with_a_cut_pickle", read_zip, archive(kGood.substr(0, kGood.size() - 1))},
    {"a_stream_of_another_program", read_stream, pickle(dict(text("a") + "K\x01")), "FILE_UNSUPPORTED", "torch.save"},
    {"a_stream_with_another_magic_number", read_stream, legacy(kGood, {.magic = "\x8a\x0a" + Bytes(10, '\1')}),
     "FILE_UNSUPPORTED"},
    {"a_stream_with_the_greatest_byte_first", read_stream, legacy(kGood, {.little_endian = false}), "FILE_UNSUPPORTED",
     "big-endian"},
    {"a_stream_with_a_storage_too_many", read_stream, legacy(kGood, {.keys = {"0", "1"}})},
    {"a_stream_without_its_storage", read_stream, legacy(kGood, {.keys = {}})},
    {"a_stream_with_another_storage", read_stream, legacy(kGood, {.keys = {"1"}})},
    {"a_stream_with_another_count", read_stream, legacy(kGood, {.storages = little(4, 8) + Bytes(16, '\0')})},
    {"a_stream_with_a_count_of_2_to_60", read_stream,
     legacy(kGood, {.storages = little(uint64_t{1} << 60, 8) + Bytes(12, '\0')})},
    {"a_stream_cut_in_its_storage", read_stream, legacy(kGood).substr(0, legacy(kGood).size() - 1)},
    {"a_stream_cut_behind_its_pickles", read_stream, legacy(kGood, {.storages = ""})},
};

class HostilePyTorchFiles : public testing::TestWithParam<HostileFile> {};

TEST_P(HostilePyTorchFiles, AreRefusedWithTheirCode) {
  const Error error = error_of([] { GetParam().read(GetParam().bytes); });
  EXPECT_STREQ(to_string(error.code()), GetParam().code);
  EXPECT_NE(std::string(error.what()).find(GetParam().says), std::string::npos) << error.what();
}

INSTANTIATE_TEST_SUITE_P(Files, HostilePyTorchFiles, testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace reviewkd::tests::pytorch_file
