// Loading by name: what was copied, and what was not.
#include <gtest/gtest.h>

#include "core/models/state_dict.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::loading {
namespace {

const NamedTensors kTarget = {{"a", at::zeros({2})}, {"b", at::zeros({3})}};

TEST(StateDict, CountsTheEntriesThatItLoaded) {
  NamedTensors target = {{"a", at::zeros({2})}, {"b", at::zeros({3})}, {"c", at::zeros({1})}};
  const LoadReport report =
      load_state_dict(target, {{"a", at::ones({2})}, {"b", at::ones({4})}, {"d", at::ones({1})}}, /*strict=*/false);
  EXPECT_EQ(report.matched, 1u);
  EXPECT_EQ(report.missing, std::vector<std::string>{"c"});
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"d"});
  ASSERT_EQ(report.mismatched.size(), 1u);
  EXPECT_EQ(report.mismatched[0].name, "b");
  EXPECT_TRUE(at::equal(target[0].second, at::ones({2})));
  EXPECT_TRUE(at::equal(target[1].second, at::zeros({3})));
}

TEST(StateDict, RefusesAStateOfWhichNothingFits) {
  const auto refusal = [](const NamedTensors& source) {
    return error_of([&] { load_state_dict(kTarget, source, /*strict=*/false); });
  };
  const Error names = refusal({{"net.a", at::ones({2})}});
  EXPECT_STREQ(to_string(names.code()), "STATE_DICT_MISMATCH");
  EXPECT_NE(std::string(names.what()).find("missing: a, b; unexpected: net.a"), std::string::npos) << names.what();
  const Error shapes = refusal({{"a", at::ones({5})}});
  EXPECT_STREQ(to_string(shapes.code()), "STATE_DICT_MISMATCH");
  EXPECT_NE(std::string(shapes.what()).find("a (expected [2], received [5])"), std::string::npos) << shapes.what();
}

TEST(StateDict, SetsCountersThatOldFilesLackToZero) {
  const NamedTensors target = {{"bn.running_mean", at::zeros({2})},
                               {"bn.num_batches_tracked", at::full({}, 7, at::kLong)}};
  const LoadReport report = load_state_dict(target, {{"bn.running_mean", at::ones({2})}}, /*strict=*/true);
  EXPECT_EQ(report.matched, 1u);
  EXPECT_TRUE(report.missing.empty());
  EXPECT_EQ(target[1].second.item<int64_t>(), 0);
  // Not without the norm that it belongs to.
  EXPECT_EQ(code_of([&] { load_state_dict(target, {{"other", at::ones({2})}}, /*strict=*/true); }),
            "STATE_DICT_MISMATCH");
}

TEST(StateDict, LoadsNothingFromAnEmptyOne) { EXPECT_EQ(load_state_dict(kTarget, {}, /*strict=*/false).matched, 0u); }

}  // namespace
}  // namespace reviewkd::tests::loading
