// The network of the registry that a file's tensors belong to.
#include <gtest/gtest.h>

#include <regex>

#include "core/checkpoint/architecture_match.h"
#include "core/models/backbones/registry.h"

namespace reviewkd::tests::architecture_match {
namespace {

template <typename Rename>
EntryShapes renamed(const EntryShapes& entries, const Rename& rename) {
  EntryShapes others;
  for (const auto& [name, shape] : entries) others.emplace_back(rename(name), shape);
  return others;
}

EntryShapes behind(const std::string& prefix, const EntryShapes& entries) {
  return renamed(entries, [&](const std::string& name) { return prefix + name; });
}

EntryShapes shapes_in(const std::string& network) {
  for (const auto& entry : model_registry()) {
    if (entry.name == network) return shapes_of(*entry.build(7));
  }
  return {};
}

/// As mmpretrain's ImageClassifier names the entries of a ResNet.
std::string mmpretrain_name(const std::string& name) {
  return name.starts_with("fc.") ? "head." + name : "backbone." + name;
}

/// As ResNetForImageClassification of Hugging Face transformers does.
std::string transformers_name(const std::string& name) {
  const std::pair<std::regex, std::string> rules[] = {
      {std::regex(R"(^conv1\.)"), "resnet.embedder.embedder.convolution."},
      {std::regex(R"(^bn1\.)"), "resnet.embedder.embedder.normalization."},
      {std::regex(R"(^fc\.)"), "classifier.1."},
      {std::regex(R"(^layer1\.)"), "resnet.encoder.stages.0.layers."},
      {std::regex(R"(^layer2\.)"), "resnet.encoder.stages.1.layers."},
      {std::regex(R"(^layer3\.)"), "resnet.encoder.stages.2.layers."},
      {std::regex(R"(^layer4\.)"), "resnet.encoder.stages.3.layers."},
      {std::regex(R"(\.conv1\.)"), ".layer.0.convolution."},
      {std::regex(R"(\.conv2\.)"), ".layer.1.convolution."},
      {std::regex(R"(\.conv3\.)"), ".layer.2.convolution."},
      {std::regex(R"(\.bn1\.)"), ".layer.0.normalization."},
      {std::regex(R"(\.bn2\.)"), ".layer.1.normalization."},
      {std::regex(R"(\.bn3\.)"), ".layer.2.normalization."},
      {std::regex(R"(\.downsample\.0\.)"), ".shortcut.convolution."},
      {std::regex(R"(\.downsample\.1\.)"), ".shortcut.normalization."},
  };
  std::string other = name;
  for (const auto& [pattern, replacement] : rules) other = std::regex_replace(other, pattern, replacement);
  return other;
}

void expect_alone(const EntryShapes& file, const std::string& network, const std::string& what) {
  FileEntries entries(file);
  const auto match = identify_model(entries);
  ASSERT_TRUE(match) << what;
  EXPECT_EQ(match->name, network) << what;
  EXPECT_EQ(match->num_classes, 7) << what;
  EXPECT_EQ(match->matching, match->entries) << what;
  EXPECT_TRUE(match->fit.other_prefixes.empty()) << what << ": " << match->fit.other_prefixes[0];
}

TEST(ArchitectureMatch, FindsEachNetworkAlone) {
  for (const auto& entry : model_registry()) {
    const EntryShapes shapes = shapes_of(*entry.build(7));
    for (const char* prefix : {"", "net.", "wrapper.encoder."})
      expect_alone(behind(prefix, shapes), entry.name, prefix + entry.name);
  }
}

TEST(ArchitectureMatch, FindsResNetsByTheNamesOfOtherLibrariesAlone) {
  for (const char* network : {"resnet18", "resnet34", "resnet50"}) {
    const EntryShapes shapes = shapes_in(network);
    for (const char* prefix : {"", "net.", "model."}) {
      const std::string what = std::string(prefix) + network;
      expect_alone(behind(prefix, renamed(shapes, mmpretrain_name)), network, "mmpretrain's " + what);
      expect_alone(behind(prefix, renamed(shapes, transformers_name)), network, "Hugging Face's " + what);
    }
  }
}

TEST(ArchitectureMatch, ListsNetworksNextToTheBestOne) {
  using Prefixes = std::vector<std::string>;
  const auto prefixes_in = [](std::initializer_list<EntryShapes> parts) {
    EntryShapes all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    FileEntries entries(all);
    const auto match = identify_model(entries);
    Prefixes prefixes = match->fit.other_prefixes;
    prefixes.insert(prefixes.begin(), match->fit.prefix);
    return prefixes;
  };
  const EntryShapes student = shapes_in("resnet18");
  const EntryShapes teacher = shapes_in("resnet34");
  EntryShapes fusion;
  for (int i = 0; i < 48; ++i) fusion.emplace_back("fusion." + std::to_string(i) + ".weight", std::vector<int64_t>{4});
  EXPECT_EQ(prefixes_in({behind("s.", student), behind("t.", teacher)}), (Prefixes{"s.", "t."}));
  EXPECT_EQ(prefixes_in({behind("s.", student), behind("s.", fusion), behind("t.", teacher)}), (Prefixes{"t.", "s."}));
  EXPECT_EQ(prefixes_in({student, behind("t.", teacher)}), (Prefixes{"t.", ""}));
  EXPECT_EQ(prefixes_in({student, behind("ema.", student)}), (Prefixes{""}));
  EXPECT_EQ(prefixes_in({behind("s.", student), behind("s.", fusion)}), (Prefixes{"s."}));
  // ResNet-50 for CIFAR-100 fits the teacher as well but for a few entries, by another reading of its names.
  EXPECT_EQ(
      prefixes_in({behind("net.", student), behind("teacher.", renamed(shapes_in("resnet50"), transformers_name))}),
      (Prefixes{"net.", "teacher."}));
  const EntryShapes small = shapes_in("resnet20");
  EXPECT_EQ(prefixes_in({behind("a.", small), behind("b.", small), behind("c.", shapes_in("resnet8"))}),
            (Prefixes{"c.", "a.", "b."}));
  EXPECT_EQ(prefixes_in({renamed(student, transformers_name), behind("ema.", student)}), (Prefixes{""}));
}

}  // namespace
}  // namespace reviewkd::tests::architecture_match
