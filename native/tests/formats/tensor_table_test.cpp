// The tensor table of a file, and the selection of its tensors.
#include <gtest/gtest.h>

#include "formats/tensor_table.h"
#include "tests/support/errors.h"

namespace reviewkd::tests::tensor_table {
namespace {

TensorTable table_of(const std::vector<std::string>& names) {
  TensorTable table;
  for (const auto& name : names) table.tensors.push_back({name, ElementType::kFloat32, {2}, {1}, 0, 0});
  return table;
}

std::vector<std::string> names_of(const TensorTable& table) {
  std::vector<std::string> names;
  for (const auto& tensor : table.tensors) names.push_back(tensor.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(TensorTable, NamesItsFormats) {
  EXPECT_STREQ(to_string(WeightsFormat::kSafetensors), "safetensors");
  EXPECT_STREQ(to_string(WeightsFormat::kPyTorchZip), "pytorch-zip");
  EXPECT_STREQ(to_string(WeightsFormat::kPyTorchLegacy), "pytorch-legacy");
  EXPECT_STREQ(to_string(WeightsFormat::kNumpyPickle), "numpy-pickle");
}

TEST(TensorTable, CountsElementsAndSteps) {
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count({2, 3, 4}), 24u);
  EXPECT_EQ(element_count({2, 0}), 0u);
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (std::vector<int64_t>{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({2, 0, 4}), (std::vector<int64_t>{4, 4, 1}));
  EXPECT_TRUE(contiguous_strides({}).empty());
}

TEST(TensorTable, TakesPrefixesOfWrappersOff) {
  auto table = table_of({"module.module.a", "module.module.b"});
  keep_network(table);
  EXPECT_EQ(names_of(table), (Names{"a", "b"}));
  EXPECT_EQ(table.selection.prefixes, (Names{"module.", "module."}));
  auto compiled = table_of({"model._orig_mod.a", "model._orig_mod.b"});
  keep_network(compiled);
  EXPECT_EQ(names_of(compiled), (Names{"a", "b"}));
  EXPECT_EQ(compiled.selection.prefixes, (Names{"model.", "_orig_mod."}));
}

TEST(TensorTable, KeepsAPrefixThatNotAllNamesHave) {
  auto table = table_of({"module.a", "b"});
  keep_network(table);
  EXPECT_EQ(names_of(table), (Names{"module.a", "b"}));
  EXPECT_TRUE(table.selection.prefixes.empty());
}

TEST(TensorTable, KeepsADistillersStudent) {
  auto table = table_of({"teacher.a", "student.module.a", "student.module.b", "optimizer.momentum"});
  keep_network(table);
  EXPECT_EQ(names_of(table), (Names{"a", "b"}));
  EXPECT_EQ(table.selection.left_aside, 2u);
  EXPECT_EQ(table.selection.prefixes, (Names{"student.", "module."}));
}

TEST(TensorTable, LeavesTheCountersOfOtherToolsAside) {
  auto average = table_of({"n_averaged", "module.a", "module.b"});
  keep_network(average);
  EXPECT_EQ(names_of(average), (Names{"a", "b"}));
  EXPECT_EQ(average.selection.counters, (Names{"n_averaged"}));
  EXPECT_EQ(average.selection.left_aside, 1u);
  auto counted = table_of({"a.weight", "a.total_ops", "a.total_params", "total_ops"});
  keep_network(counted);
  EXPECT_EQ(names_of(counted), (Names{"a.weight"}));
  EXPECT_EQ(counted.selection.counters, (Names{"a.total_ops", "a.total_params", "total_ops"}));
  auto extra = table_of({"a.weight", "a._extra_state"});
  keep_network(extra);
  EXPECT_EQ(extra.selection.counters, (Names{"a._extra_state"}));
  auto alone = table_of({"total_ops"});
  keep_network(alone);
  EXPECT_EQ(names_of(alone), (Names{"total_ops"}));
}

TEST(TensorTable, TakesWrappersOfPartsOff) {
  auto table =
      table_of({"conv.a", "layer1._orig_mod.0.a", "layer2._fsdp_wrapped_module._orig_mod.0.a", "my_orig_mod.a"});
  keep_network(table);
  EXPECT_EQ(names_of(table), (Names{"conv.a", "layer1.0.a", "layer2.0.a", "my_orig_mod.a"}));
  EXPECT_EQ(table.selection.prefixes, (Names{"_orig_mod.", "_fsdp_wrapped_module."}));
  auto two = table_of({"a._orig_mod.net.w", "b._orig_mod.net.w"});
  EXPECT_TRUE(keep_below(two, "a.net"));
  EXPECT_EQ(names_of(two), (Names{"w"}));
  auto twice = table_of({"layer.a", "layer._orig_mod.a"});
  keep_network(twice);
  EXPECT_EQ(names_of(twice), (Names{"layer.a", "layer._orig_mod.a"}));
}

TEST(TensorTable, TakesPrefixesOffUnreadEntriesToo) {
  auto table = table_of({"module.a"});
  table.unread = {{"module.b", "torch.QInt8Storage", true}, {"args", "argparse.Namespace", false}};
  keep_network(table);
  EXPECT_EQ(names_of(table), (Names{"a"}));
  EXPECT_EQ(table.unread[0].name, "b");
  EXPECT_EQ(table.unread[1].name, "args");
}

TEST(TensorTable, KeepsTheEntriesBelowAPath) {
  auto table = table_of({"a.x", "a.y", "ab.x"});
  EXPECT_FALSE(keep_below(table, "b"));
  EXPECT_EQ(names_of(table), (Names{"a.x", "a.y", "ab.x"}));
  EXPECT_TRUE(keep_below(table, "a"));
  EXPECT_EQ(names_of(table), (Names{"x", "y"}));
  EXPECT_EQ(table.selection.prefixes, (Names{"a."}));
}

TEST(TensorTable, KeepsTheEntriesBelowAPathWithinWrappers) {
  auto table = table_of({"module.model.teacher.x", "module.model.student.x"});
  EXPECT_EQ(first_parts(table), (Names{"teacher", "student"}));
  EXPECT_FALSE(keep_below(table, "assistant"));
  EXPECT_TRUE(keep_below(table, "teacher"));
  EXPECT_EQ(names_of(table), (Names{"x"}));
  EXPECT_EQ(table.selection.prefixes, (Names{"module.model.teacher."}));
  auto partly = table_of({"module.teacher.x", "y"});
  EXPECT_FALSE(keep_below(partly, "teacher"));
  EXPECT_TRUE(keep_below(partly, "module.teacher"));
}

TEST(TensorTable, KeepsNothingBelowAPathOfValuesThatAreNotRead) {
  auto table = table_of({"a"});
  table.unread = {{"teacher.b", "torch.QInt8Storage", true}};
  EXPECT_FALSE(keep_below(table, "teacher"));
  EXPECT_EQ(names_of(table), (Names{"a"}));
}

TEST(TensorTable, LeavesTheOptimizerAsideUnlessItIsAll) {
  auto mixed = table_of({"a", "optimizer.a"}), alone = table_of({"optimizer.a"});
  keep_network(mixed);
  keep_network(alone);
  EXPECT_EQ(names_of(mixed), (Names{"a"}));
  EXPECT_EQ(names_of(alone), (Names{"optimizer.a"}));
}

TEST(TensorTable, RefusesToExpandViewsFarBeyondTheFile) {
  const char byte = 0;
  const MemorySource source("weights.pt", &byte, 1);
  auto table = table_of({"a"});
  EXPECT_NO_THROW(check_expansion(table, source));
  table.tensors[0].shape = {int64_t{1} << 40};
  table.tensors[0].strides = {0};
  EXPECT_EQ(code_of([&] { check_expansion(table, source); }), "FILE_UNSUPPORTED");
  table.tensors[0].shape = {int64_t{1} << 62, 1};
  EXPECT_EQ(code_of([&] { check_expansion(table, source); }), "FILE_UNSUPPORTED");
}

}  // namespace
}  // namespace reviewkd::tests::tensor_table
