// Renaming by pairs of patterns.
#include <gtest/gtest.h>

#include "core/base/name_pattern.h"

namespace reviewkd::tests {
namespace {

TEST(NamePattern, CarriesNumbersAndTheLastPartOver) {
  constexpr auto from = "res{k+1}.{i}.conv{j}.*";
  constexpr auto to = "layer{k}.{i}.conv{j}.*";
  EXPECT_EQ(map_name("res3.11.conv2.weight", from, to), "layer2.11.conv2.weight");
  EXPECT_EQ(map_name("layer2.11.conv2.weight", to, from), "res3.11.conv2.weight");
}

TEST(NamePattern, ScalesNumbersAndAcceptsMultiplesAlone) {
  EXPECT_EQ(map_name("conv.6.bias", "conv.{2i}.*", "conv.{i}.0.*"), "conv.3.0.bias");
  EXPECT_EQ(map_name("conv.5.bias", "conv.{2i}.*", "conv.{i}.0.*"), std::nullopt);
  EXPECT_EQ(map_name("conv.3.0.bias", "conv.{i}.0.*", "conv.{2i}.*"), "conv.6.bias");
}

TEST(NamePattern, RefusesNumbersBelowZero) {
  EXPECT_EQ(map_name("res0.x", "res{k+1}.*", "layer{k}.*"), std::nullopt);
  EXPECT_EQ(map_name("layer0.x", "layer{k}.*", "res{k-1}.*"), std::nullopt);
}

TEST(NamePattern, MatchesWholeNamesAlone) {
  constexpr auto pattern = "conv{j}.*";
  for (const auto* name : {"conv1", "conv1.", "conv1.norm.weight", "a.conv1.weight", "conv.weight", "convx.weight", "",
                           "conv01.weight", "conv1234567.weight", "conv-1.weight"}) {
    EXPECT_EQ(map_name(name, pattern, pattern), std::nullopt) << name;
  }
  EXPECT_EQ(map_name("conv0.weight", pattern, pattern), "conv0.weight");
  EXPECT_EQ(map_name("pixel_mean", "pixel_mean", "mean"), "mean");
  EXPECT_EQ(map_name("pixel_means", "pixel_mean", "mean"), std::nullopt);
}

}  // namespace
}  // namespace reviewkd::tests
