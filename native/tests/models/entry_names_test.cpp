// A network's entries in a file under a prefix, among others, or by the names of another library.
#include <gtest/gtest.h>

#include "core/models/backbones/registry.h"
#include "core/models/entry_names.h"
#include "core/models/name_layouts.h"

namespace reviewkd::tests::entry_names {
namespace {

const EntryShapes kNetwork = {
    {"conv.weight", {4, 3}}, {"bn.running_mean", {4}}, {"bn.num_batches_tracked", {}}, {"fc.weight", {10, 4}}};

EntryShapes behind(const std::string& prefix, const EntryShapes& entries) {
  EntryShapes renamed;
  for (const auto& [name, shape] : entries) renamed.emplace_back(prefix + name, shape);
  return renamed;
}

EntryShapes joined(EntryShapes a, const EntryShapes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

EntryFit fit_of(const EntryShapes& file, const EntryShapes& network = kNetwork) {
  FileEntries entries(file);
  return entries.fit(network);
}

using Name = std::optional<std::string>;

TEST(EntryNames, LeaveANetworksOwnNamesAsTheyAre) {
  const EntryFit fit = fit_of(kNetwork);
  EXPECT_TRUE(fit.is_plain());
  EXPECT_EQ(fit.names[0], Name("conv.weight"));
  EXPECT_EQ(fit.names[2], Name("bn.num_batches_tracked"));
}

TEST(EntryNames, FindAnyPrefixAmongOtherEntries) {
  for (const char* prefix : {"net.", "module.net.", "a.b.c."}) {
    const EntryFit fit = fit_of(joined({{"metric.total", {}}, {"other.weight", {4, 3}}}, behind(prefix, kNetwork)));
    EXPECT_EQ(fit.prefix, prefix);
    EXPECT_EQ(fit.layout, "");
    EXPECT_EQ(fit.names[0], std::nullopt);
    EXPECT_EQ(fit.names[1], std::nullopt);
    EXPECT_EQ(fit.names[2], Name("conv.weight"));
  }
}

TEST(EntryNames, LeaveNumbersOfOtherToolsAside) {
  const EntryFit fit = fit_of(joined(kNetwork, {{"accuracy.total", {}}, {"extra.weight", {4}}}));
  EXPECT_TRUE(fit.is_plain());
  EXPECT_EQ(fit.names[4], std::nullopt);
  EXPECT_EQ(fit.names[5], Name("extra.weight"));  // and no more than numbers
}

TEST(EntryNames, AgreeWhateverTheNumberOfClasses) {
  const EntryShapes other = {{"conv.weight", {4, 3}}, {"bn.running_mean", {4}}, {"fc.weight", {7, 4}}};
  EXPECT_EQ(fit_of(behind("net.", other)).prefix, "net.");
}

TEST(EntryNames, PreferTheNetworkToALargerOneThatContainsIt) {
  const EntryShapes larger = joined(kNetwork, {{"conv2.weight", {4, 4}}, {"conv3.weight", {4, 4}}});
  const EntryFit fit = fit_of(joined(behind("teacher.", larger), behind("pupil.", kNetwork)));
  EXPECT_EQ(fit.prefix, "pupil.");
  EXPECT_TRUE(fit.other_prefixes.empty());
}

TEST(EntryNames, ListOtherPrefixesOfAnEqualNetwork) {
  const EntryFit fit = fit_of(joined(behind("b.", kNetwork), behind("a.", kNetwork)));
  EXPECT_EQ(fit.prefix, "a.");
  EXPECT_EQ(fit.other_prefixes, std::vector<std::string>{"b."});
}

/// kNetwork is too small for another entry to be few.
EntryShapes large_network() {
  EntryShapes entries = kNetwork;
  for (int i = 0; i < 20; ++i)
    entries.emplace_back("layer" + std::to_string(i) + ".weight", std::vector<int64_t>{4, 4});
  return entries;
}

TEST(EntryNames, ListOtherPrefixesWhateverFewEntriesAreBehindThem) {
  const EntryShapes network = large_network();
  const EntryShapes loss = {{"loss.weight", {4}}};
  const EntryFit fit = fit_of(behind("s.", joined(network, loss)), network);
  EXPECT_EQ(fit.prefix, "s.");
  for (const auto& file : {joined(behind("s.", joined(network, loss)), behind("t.", network)),
                           joined(behind("s.", network), behind("t.", joined(network, loss)))}) {
    const EntryFit both = fit_of(file, network);
    EXPECT_EQ(both.other_prefixes, std::vector<std::string>{both.prefix == "s." ? "t." : "s."});
  }
}

TEST(EntryNames, LeaveACopyUnderAPrefixAside) {
  const EntryShapes network = large_network();
  const EntryFit fit = fit_of(joined(network, behind("ema.", network)), network);
  EXPECT_TRUE(fit.is_plain());
  EXPECT_TRUE(fit.other_prefixes.empty());
  EXPECT_EQ(fit.names[0], Name("conv.weight"));
  EXPECT_EQ(fit.names.at(network.size()), std::nullopt);
}

TEST(EntryNames, TakeNothingOffForLessThanHalfOfTheNetwork) {
  const EntryFit fit = fit_of({{"layer.conv.weight", {4, 3}}, {"layer.x", {1}}});
  EXPECT_TRUE(fit.is_plain());
  EXPECT_EQ(fit.names[0], Name("layer.conv.weight"));
}

TEST(NameLayouts, RenameTheEntriesOfOtherLibraries) {
  struct Row {
    const char* layout;
    const char* name;
    const char* own;
  };
  const Row rows[] = {
      {"Hugging Face's ResNet", "resnet.embedder.embedder.convolution.weight", "conv1.weight"},
      {"Hugging Face's ResNet", "encoder.stages.0.layers.1.layer.2.normalization.running_var",
       "layer1.1.bn3.running_var"},
      {"Hugging Face's ResNet", "resnet.encoder.stages.3.layers.0.shortcut.convolution.weight",
       "layer4.0.downsample.0.weight"},
      {"Hugging Face's ResNet", "classifier.1.bias", "fc.bias"},
      {"Hugging Face's MobileNetV2", "mobilenet_v2.layer.15.reduce_1x1.normalization.bias", "features.17.conv.3.bias"},
      {"Hugging Face's MobileNetV1", "mobilenet_v1.layer.25.convolution.weight", "model.13.3.weight"},
      {"timm's MobileNetV2", "blocks.6.0.conv_pwl.weight", "features.17.conv.2.weight"},
      {"timm's MobileNetV2", "conv_head.weight", "features.18.0.weight"},
      {"timm's MobileNetV1", "blocks.4.1.bn2.running_mean", "model.13.4.running_mean"},
      {"mmpretrain's ResNet", "backbone.layer1.0.conv1.weight", "layer1.0.conv1.weight"},
      {"mmpretrain's ResNet", "head.fc.weight", "fc.weight"},
      {"torchvision's ResNet", "layer2.0.downsample.1.weight", "layer2.0.shortcut.1.weight"},
  };
  for (const auto& [layout, name, own] : rows) {
    bool is_known = false;
    for (const NameLayout& candidate : name_layouts()) {
      if (candidate.title != layout) continue;
      is_known = true;
      EXPECT_EQ(candidate.own(name), Name(own)) << layout;
    }
    EXPECT_TRUE(is_known) << layout;
  }
  EXPECT_EQ(name_layouts().front().own("anything"), Name("anything"));
}

TEST(NameLayouts, AreNoNetworksOwnPrefix) {
  // A prefix that all entries of a network share would be taken off its files.
  for (const auto& entry : model_registry()) {
    const auto state = state_dict(*entry.build(2));
    const std::string first = state.front().first.substr(0, state.front().first.find('.') + 1);
    const bool all =
        std::all_of(state.begin(), state.end(), [&](const auto& tensor) { return tensor.first.starts_with(first); });
    EXPECT_FALSE(all) << entry.name << " " << first;
  }
}

}  // namespace
}  // namespace reviewkd::tests::entry_names
