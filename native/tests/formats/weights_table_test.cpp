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

TEST(WeightsTable, FollowsAKeyInPyTorchFilesAlone) {
  const Bytes nested = archive(pickle(dict(text("teacher") + state_dict())));
  EXPECT_EQ(read(nested, {.key = "teacher", .network = true}).selection.key, "teacher");
  EXPECT_EQ(code_of([] { read(safetensors(), {.key = "teacher", .network = true}); }), "UNKNOWN_NAME");
}

TEST(WeightsTable, RefusesWhatIsNoFileOfWeights) {
  EXPECT_EQ(code_of([] { read("dear reader, this is a letter and no file of weights"); }), "FILE_CORRUPT");
  EXPECT_EQ(code_of([] { read(""); }), "FILE_CORRUPT");
  const Error tar = error_of([] { read("storages" + Bytes(249, '\0') + "ustar" + Bytes(300, '\0')); });
  EXPECT_STREQ(to_string(tar.code()), "FILE_UNSUPPORTED");
  EXPECT_NE(std::string(tar.what()).find("tar"), std::string::npos);
}

TEST(WeightsTable, RefusesElementsRepeatedFarBeyondTheFile) {
  const Bytes file = archive(pickle(state_dict({.shape = {int64_t{1} << 50, 3}, .strides = {0, 1}})));
  EXPECT_EQ(code_of([&] { read(file); }), "FILE_UNSUPPORTED");
}

}  // namespace
}  // namespace reviewkd::tests::weights_table
