// Targets of a batch: tensors with a row for each image, and lists of different lengths.
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/data/targets.h"

namespace reviewkd::tests::targets {
namespace {

Targets detections() {
  Targets targets = Targets::labels(at::arange(3));
  targets.add_ragged("boxes", at::arange(20, at::kFloat).reshape({5, 4}), {2, 0, 3});
  return targets;
}

TEST(Targets, FindsValuesByName) {
  const Targets targets = detections();
  EXPECT_TRUE(targets.labels().equal(at::arange(3)));
  EXPECT_EQ(targets.values("boxes").size(0), 5);
  EXPECT_TRUE(targets.is_ragged());
  EXPECT_FALSE(Targets::labels(at::arange(2)).is_ragged());
  EXPECT_FALSE(Targets().labels().defined());
  EXPECT_TRUE(Targets().empty());
}

TEST(Targets, NamesWhatIsMissing) {
  try {
    detections().values("masks");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(error.what(),
                 "invalid targets of a batch: expected masks, received labels, boxes. Use a data set that has the "
                 "targets of the task.");
  }
}

TEST(Targets, NarrowsListsToTheRowsOfTheirImages) {
  const Targets last = detections().narrow(1, 2);
  EXPECT_TRUE(last.labels().equal(at::arange(1, 3)));
  EXPECT_EQ(last.target("boxes").counts, (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE(last.values("boxes").equal(at::arange(8, 20, at::kFloat).reshape({3, 4})));
  EXPECT_EQ(detections().narrow(1, 1).values("boxes").size(0), 0);
}

TEST(Targets, RefusesCountsThatDoNotAddUp) {
  Targets targets;
  EXPECT_THROW(targets.add_ragged("boxes", at::zeros({5, 4}), {2, 2}), Error);
  EXPECT_THROW(targets.add_ragged("boxes", at::zeros({0, 4}), {}), Error);
}

TEST(Targets, ConvertsEveryTensor) {
  const Targets doubles = detections().map([](const at::Tensor& values) { return values.to(at::kDouble); });
  EXPECT_EQ(doubles.labels().scalar_type(), at::kDouble);
  EXPECT_EQ(doubles.values("boxes").scalar_type(), at::kDouble);
  EXPECT_EQ(doubles.target("boxes").counts, (std::vector<int64_t>{2, 0, 3}));
}

}  // namespace
}  // namespace reviewkd::tests::targets
