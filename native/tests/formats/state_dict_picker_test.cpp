// Which of a file's dictionaries is the state dict.
#include <gtest/gtest.h>

#include "formats/weights/state_dict_picker.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::state_dict_picker {
namespace {

TensorTable pick(const Bytes& body, const std::string& key = "") {
  const Bytes bytes = archive(pickle(body));
  const MemorySource source("weights.pt", bytes.data(), bytes.size());
  return pick_state_dict(read_pytorch_zip(source), source, key);
}

/// A state dict with one tensor of this name.
Bytes network(const Bytes& name) { return dict(text(name) + tensor()); }

TEST(StateDictPicker, TakesAWholeFile) {
  const auto table = pick(network("weight"));
  ASSERT_EQ(table.tensors.size(), 1u);
  EXPECT_EQ(table.tensors[0].name, "weight");
  EXPECT_EQ(table.selection.key, "");
  EXPECT_EQ(table.selection.left_aside, 0u);
}

TEST(StateDictPicker, FindsTheNetworkAlongsideAnOptimizer) {
  // State of an optimizer goes by numbers.
  const Bytes optimizer = dict(text("state") + dict(Bytes("K\x00", 2) + dict(text("momentum_buffer") + tensor())));
  const auto table = pick(dict(text("epoch") + "K\x05" + text("model") + network("weight") + text("optimizer") +
                               optimizer + text("best") + "\x88"));
  ASSERT_EQ(table.tensors.size(), 1u);
  EXPECT_EQ(table.selection.key, "model");
  EXPECT_EQ(table.metadata, (Metadata{{"epoch", "5"}, {"best", "true"}}));
}

TEST(StateDictPicker, LeavesOtherNetworksAside) {
  const auto table = pick(
      dict(text("state_dict") + network("a") + text("average") + dict(text("b") + tensor() + text("c") + tensor())));
  EXPECT_EQ(table.selection.key, "state_dict");
  EXPECT_EQ(table.selection.left_aside, 2u);
}

TEST(StateDictPicker, FollowsAKey) {
  const Bytes file = dict(text("nets") + dict(text("teacher") + network("t") + text("pupil") + network("p")));
  EXPECT_EQ(pick(file, "nets.teacher").tensors[0].name, "t");
  EXPECT_EQ(pick(file, "pupil").tensors[0].name, "p");
  const Error unknown = error_of([&] { pick(file, "unknown"); });
  EXPECT_STREQ(to_string(unknown.code()), "UNKNOWN_NAME");
  EXPECT_EQ(unknown.valid(), (std::vector<std::string>{"nets.teacher", "nets.pupil"}));
  const Error ambiguous = error_of([&] { pick(file); });
  EXPECT_STREQ(to_string(ambiguous.code()), "FILE_UNSUPPORTED");
  EXPECT_EQ(ambiguous.valid().size(), 2u);
}

TEST(StateDictPicker, ReadsTheMetadataOfAnOrderedDict) {
  const Bytes ordered = global("collections", "OrderedDict") + ")R(" + text("weight") + tensor() + "u}" +
                        text("metadata") + dict(text("model") + text("resnet8") + text("epoch") + "K\x03") + "sb";
  EXPECT_EQ(pick(ordered).metadata, (Metadata{{"model", "resnet8"}, {"epoch", "3"}}));
}

TEST(StateDictPicker, PassesOverNumbersAmongTensorsIfThereIsNoOther) {
  const auto table = pick(dict(text("weight") + tensor() + text("count") + "K\x01"));
  ASSERT_EQ(table.tensors.size(), 1u);
  EXPECT_EQ(table.tensors[0].name, "weight");
}

TEST(StateDictPicker, PassesOverExtraState) {
  EXPECT_EQ(pick(dict(text("a.weight") + tensor() + text("a._extra_state") + "N")).tensors.size(), 1u);
}

TEST(StateDictPicker, RefusesFilesWithoutTensorsByName) {
  EXPECT_EQ(code_of([] { pick(dict(text("epoch") + "K\x03")); }), "FILE_UNSUPPORTED");
  EXPECT_EQ(code_of([] { pick(tensor()); }), "FILE_UNSUPPORTED");
}

TEST(StateDictPicker, RefusesNamesThatRepeatOrAreNotUtf8) {
  EXPECT_EQ(code_of([] { pick(dict(text("a") + tensor() + text("a") + tensor())); }), "FILE_CORRUPT");
  EXPECT_EQ(code_of([] { pick(network("\xc3\x28")); }), "FILE_CORRUPT");
}

TEST(StateDictPicker, LooksIntoEachValueOnce) {
  // Thirty lists of ten references each would unfold to 10^30.
  Bytes lists = raw("]q\x00");
  for (int level = 0; level < 30; ++level) {
    lists += "](";
    for (int i = 0; i < 10; ++i) lists += "h" + little(static_cast<uint64_t>(level), 1);
    lists += "eq" + little(static_cast<uint64_t>(level) + 1, 1);
  }
  EXPECT_EQ(code_of([&] { pick(lists); }), "FILE_UNSUPPORTED");
}

}  // namespace
}  // namespace reviewkd::tests::state_dict_picker
