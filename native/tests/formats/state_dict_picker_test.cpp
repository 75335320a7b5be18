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
  EXPECT_NE(std::string(ambiguous.what()).find("`key`"), std::string::npos);
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

Bytes opaque(const Bytes& module, const Bytes& name) { return global(module, name) + ")R"; }

TEST(StateDictPicker, ListsWhatItDoesNotRead) {
  const auto table = pick(
      dict(text("model") + dict(text("a") + tensor() + text("b") + tensor({.type = "QInt8Storage"})) + text("args") +
           opaque("argparse", "Namespace") + text("log") + dict(text("begun") + opaque("datetime", "datetime"))));
  ASSERT_EQ(table.tensors.size(), 1u);
  ASSERT_EQ(table.unread.size(), 3u);
  const auto is = [&](size_t index, const char* name, const char* type, bool is_entry) {
    const UnreadValue& value = table.unread[index];
    return value.name == name && value.type == type && value.is_entry == is_entry;
  };
  EXPECT_TRUE(is(0, "b", "QInt8Storage", true));
  EXPECT_TRUE(is(1, "args", "argparse.Namespace", false));
  EXPECT_TRUE(is(2, "log.begun", "datetime.datetime", false));
}

TEST(StateDictPicker, TakesADictionaryWithFewOtherValuesBeforeADictionaryOfTensorsAlone) {
  Bytes entries;
  for (int i = 0; i < 10; ++i) entries += text("w" + std::to_string(i)) + tensor();
  const auto table = pick(
      dict(text("model") + dict(entries + text("config") + opaque("my", "Config")) + text("average") + network("w")));
  EXPECT_EQ(table.selection.key, "model");
  EXPECT_EQ(table.tensors.size(), 10u);
}

/// A torch.nn.Module with these parameters, buffers and children.
Bytes module(const Bytes& parameters, const Bytes& buffers = "", const Bytes& children = "",
             const Bytes& passing = "") {
  return global("my.networks", "Net") + raw(")\x81") +
         dict(text("training") + "\x88" + text("_parameters") + dict(parameters) + text("_buffers") + dict(buffers) +
              text("_non_persistent_buffers_set") + global("builtins", "set") + "](" + passing + "e\x85R" +
              text("_modules") + dict(children)) +
         "b";
}

TEST(StateDictPicker, ReadsAWholeModuleInTheOrderOfItsStateDict) {
  const Bytes child = module(text("weight") + tensor() + text("bias") + "N");
  const Bytes net = module(text("scale") + tensor(), text("mean") + tensor() + text("mask") + tensor(),
                           text("conv") + child + text("empty") + "N", text("mask"));
  for (const auto& [file, key] : std::vector<std::pair<Bytes, std::string>>{
           {net, ""}, {dict(text("net") + net + text("epoch") + "K\x05"), "net"}}) {
    const auto table = pick(file);
    ASSERT_EQ(table.tensors.size(), 3u);
    EXPECT_EQ(table.tensors[0].name, "scale");
    EXPECT_EQ(table.tensors[1].name, "mean");
    EXPECT_EQ(table.tensors[2].name, "conv.weight");
    EXPECT_EQ(table.selection.key, key);
  }
}

TEST(StateDictPicker, FollowsModulesThatContainThemselvesOnlySoFar) {
  const Bytes itself = global("my", "Net") + raw(")\x81q\x07") +
                       dict(text("_parameters") + dict(text("w") + tensor()) + text("_modules") +
                            dict(text("a") + raw("h\x07") + text("b") + raw("h\x07"))) +
                       "b";
  EXPECT_NO_THROW(pick(itself));
}

TEST(StateDictPicker, TakesTheBeginningOfNamesForAKey) {
  const Bytes file = dict(text("teacher.a") + tensor() + text("teacher.b") + tensor() + text("pupil.a") + tensor());
  const auto table = pick(file, "teacher");
  ASSERT_EQ(table.tensors.size(), 2u);
  EXPECT_EQ(table.tensors[1].name, "b");
  EXPECT_EQ(table.selection.prefixes, std::vector<std::string>{"teacher."});
  EXPECT_EQ(table.selection.left_aside, 1u);
  EXPECT_EQ(code_of([&] { pick(file, "unknown"); }), "UNKNOWN_NAME");
  EXPECT_EQ(code_of([&] { pick(file, "teach"); }), "UNKNOWN_NAME");
}

TEST(StateDictPicker, SaysWhatAFileHoldsInPlaceOfTensors) {
  const auto says = [](const Bytes& body) { return std::string(error_of([&] { pick(body); }).what()); };
  EXPECT_NE(says(dict(text("epoch") + "K\x03" + text("args") + opaque("a", "B"))).find("epoch, args"),
            std::string::npos);
  EXPECT_NE(says(opaque("my", "Trainer")).find("an object of my.Trainer"), std::string::npos);
  EXPECT_NE(says(tensor()).find("a single tensor"), std::string::npos);
  EXPECT_NE(says("](" + tensor() + "e").find("a list"), std::string::npos);
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
