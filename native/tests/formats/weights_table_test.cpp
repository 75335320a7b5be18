// Files of weights known by their content.
#include <gtest/gtest.h>

#include "formats/weights/weights_table.h"
#include "tests/support/errors.h"
#include "tests/support/numpy_bytes.h"

namespace reviewkd::tests::weights_table {
namespace {

TensorTable read(const Bytes& bytes, const WeightsRequest& request = {}) {
  return read_weights_table(MemorySource("weights", bytes.data(), bytes.size()), request);
}

Bytes safetensors(const std::string& name = "a") {
  const std::string json = R"({")" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  return little(json.size(), 8) + json + Bytes(4, '\0');
}

TEST(WeightsTable, KnowsEachFormatByItsContent) {
  EXPECT_EQ(read(safetensors()).format, WeightsFormat::kSafetensors);
  EXPECT_EQ(read(archive(pickle(state_dict()))).format, WeightsFormat::kPyTorchZip);
  EXPECT_EQ(read(legacy(pickle(state_dict()))).format, WeightsFormat::kPyTorchLegacy);
  EXPECT_EQ(read(pickle(dict(text("a") + array()))).format, WeightsFormat::kNumpyPickle);
}

TEST(WeightsTable, KeepsStoredNamesOnRequest) {
  EXPECT_EQ(read(safetensors("module.a")).tensors[0].name, "a");
  EXPECT_EQ(read(safetensors("module.a"), {.key = "", .network = false}).tensors[0].name, "module.a");
}

TEST(WeightsTable, FollowsAKeyOfDictionariesOrOfNames) {
  const Bytes nested = archive(pickle(dict(text("teacher") + state_dict())));
  EXPECT_EQ(read(nested, {.key = "teacher", .network = true}).selection.key, "teacher");
  EXPECT_EQ(read(safetensors("teacher.a"), {.key = "teacher", .network = true}).tensors[0].name, "a");
  EXPECT_EQ(code_of([] { read(safetensors(), {.key = "teacher", .network = true}); }), "UNKNOWN_NAME");
}

TEST(WeightsTable, TakesNullForNoMetadata) {
  const std::string json = R"({"__metadata__": null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_TRUE(read(little(json.size(), 8) + json + Bytes(4, '\0')).metadata.empty());
}

TEST(WeightsTable, RefusesWhatIsNoFileOfWeights) {
  const Error unknown = error_of([] { read(raw("\x01\x02\xff") + Bytes(300, '\1')); });
  EXPECT_STREQ(to_string(unknown.code()), "FILE_UNSUPPORTED");
  EXPECT_NE(std::string(unknown.what()).find("begins with the bytes 01 02 ff 01 01 01 01 01."), std::string::npos);
  const Bytes damaged(300, '\1');
  const Error named =
      error_of([&] { read_weights_table(MemorySource("weights.Safetensors", damaged.data(), damaged.size()), {}); });
  EXPECT_STREQ(to_string(named.code()), "FILE_CORRUPT");
  const Error empty = error_of([] { read(""); });
  EXPECT_STREQ(to_string(empty.code()), "FILE_CORRUPT");
  EXPECT_NE(std::string(empty.what()).find("empty"), std::string::npos);
}

TEST(WeightsTable, TellsOtherFilesApartByTheirFirstBytes) {
  const auto padded = [](const Bytes& head) { return head + Bytes(600, '\1'); };
  const auto tar = [](const Bytes& first) {
    return first + Bytes(257 - first.size(), '\0') + "ustar" + Bytes(300, '\0');
  };
  const std::vector<std::pair<Bytes, const char*>> files = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 346511\n", "git lfs pull"},
      {"<!DOCTYPE html><html><head><title>Virus scan</title></head></html>", "web page"},
      {"\n <html lang=\"en\">", "web page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML"},
      {"{\"error\":\"Entry not found\"}", "JSON: {\"error\":\"Entry not found\"}"},
      {"dear reader, this is a letter and no file of weights", "a text: dear reader"},
      {"Zugriff verweigert für Gäste", "a text: Zugriff"},
      {padded(raw("\x89HDF\r\n\x1a\n")), "HDF5"},
      {padded(raw("\x08\x08\x12\x07pytorch")), "ONNX"},
      {padded(raw("\x08\x01\x12\xff\x01")), "SavedModel"},
      {padded(raw("\x1f\x8b\x08")), "gunzip"},
      {padded("BZh9"), "bunzip2"},
      {padded(raw("\xfd"
                  "7zXZ\0")),
       "unxz"},
      {padded(raw("\x28\xb5\x2f\xfd")), "unzstd"},
      {padded(raw("\x93NUMPY")), "NumPy"},
      {padded("GGUF"), "GGUF"},
      {padded(raw("\x1c\0\0\0TFL3")), "TensorFlow Lite"},
      {padded(raw("\x89PNG\r\n\x1a\n")), "PNG"},
      {padded(raw("\xff\xd8\xff\xe0")), "JPEG"},
      {padded("GIF89a"), "GIF"},
      {padded(raw("RIFF\x01\x02\x03\x04WEBPVP8 ")), "WebP"},
      {padded(raw("II*\0")), "TIFF"},
      {raw("MZ\x90\0\x03"), "Windows"},
      {padded(raw("\0asm\x01\0\0\0")), "WebAssembly"},
      {padded(raw("PAR1\x15\x04")), "Parquet"},
      {padded(raw("SQLite format 3\0")), "SQLite"},
      {padded("MATLAB 5.0 MAT-file, Platform: GLNXA64"), "MAT-file"},
      {padded(raw("\x82\xa6params\x81")), "MessagePack"},
      {padded(raw("\xde\0\x20\xa6params")), "MessagePack"},
      {tar("storages"), "weights_only=False"},
      {tar("model.pth"), "tar -xf"},
  };
  for (const auto& [bytes, says] : files) {
    const Error error = error_of([&, &file = bytes] { read(file); });
    EXPECT_STREQ(to_string(error.code()), "FILE_UNSUPPORTED") << says;
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
  }
}

TEST(WeightsTable, CallsDamagedWhatIsZerosOrMayBeSafetensors) {
  const Error zeros = error_of([] { read(Bytes(600, '\0')); });
  EXPECT_STREQ(to_string(zeros.code()), "FILE_CORRUPT");
  EXPECT_NE(std::string(zeros.what()).find("Copy or download it again"), std::string::npos) << zeros.what();
  EXPECT_EQ(code_of([] { read("\xff\xff\xff\xff\xff\xff\xff\x10{}" + Bytes(100, '\0')); }), "FILE_CORRUPT");
}

TEST(WeightsTable, RefusesElementsRepeatedFarBeyondTheFile) {
  const Bytes file = archive(pickle(state_dict({.shape = {int64_t{1} << 50, 3}, .strides = {0, 1}})));
  EXPECT_EQ(code_of([&] { read(file); }), "FILE_UNSUPPORTED");
}

}  // namespace
}  // namespace reviewkd::tests::weights_table
