// The assignment of truths to boxes, by hand and against the plain reference.
#include <gtest/gtest.h>

#include <limits>

#include "core/ops/backend/dispatch.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/match_boxes/match_boxes.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::match_boxes {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor matches_of(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

TEST(MatchBoxes, TakesTheBestTruthAboveTheThreshold) {
  const at::Tensor iou = at::tensor({0.8, 0.5, 0.1, 0.7, 0.9, 0.4, 0.3, 0.7}, at::kDouble).view({2, 4});
  // The last box has two best truths, of which the first counts; 0.3 is not below the lower threshold.
  EXPECT_TRUE(ops::match_boxes(iou, 0.7, 0.3, false).equal(matches_of({1, -2, -2, 0})));
  EXPECT_TRUE(ops::match_boxes(iou, 0.7, 0.31, false).equal(matches_of({1, -2, -1, 0})));
}

TEST(MatchBoxes, RevivesAllBestBoxesOfATruth) {
  const at::Tensor iou = at::tensor({0.2, 0.2, 0.1, 0.0, 0.1, 0.3, 0.0, 0.3}, at::kDouble).view({2, 4});
  // Boxes 0 and 1 are the best of truth 0, 1 and 3 of truth 1; each keeps its own best truth.
  EXPECT_TRUE(ops::match_boxes(iou, 0.7, 0.3, true).equal(matches_of({0, 1, -1, 1})));
  EXPECT_TRUE(ops::match_boxes(iou, 0.7, 0.3, false).equal(matches_of({-1, -2, -1, -2})));
}

TEST(MatchBoxes, RevivesEverythingForATruthThatOverlapsNothing) {
  EXPECT_TRUE(ops::match_boxes(at::zeros({1, 3}), 0.7, 0.3, true).equal(matches_of({0, 0, 0})));
}

TEST(MatchBoxes, TakesNanForNoOverlap) {
  const at::Tensor iou = at::tensor({kNan, kNan, kNan, kNan, 0.8, 0.1}, at::kDouble).view({2, 3});
  EXPECT_TRUE(ops::match_boxes(iou, 0.7, 0.3, true).equal(matches_of({-1, 1, -1})));
}

TEST(MatchBoxes, MatchesNothingWithoutTruthsOrBoxes) {
  EXPECT_TRUE(ops::match_boxes(at::empty({0, 3}), 0.7, 0.3, true).equal(matches_of({-1, -1, -1})));
  EXPECT_EQ(ops::match_boxes(at::empty({3, 0}), 0.7, 0.3, true).size(0), 0);
  EXPECT_TRUE(ops::match_anchors(at::empty({0, 4}), at::zeros({2, 4}), 0.7, 0.3, true).equal(matches_of({-1, -1})));
}

TEST(MatchBoxes, ComparesInTheTypeOfTheOverlaps) {
  // float32's 0.7 is below 0.7.
  EXPECT_TRUE(ops::match_boxes(at::full({1, 1}, 0.7, at::kFloat), 0.7, 0.3, false).equal(matches_of({0})));
}

class MatchedBoxes : public testing::TestWithParam<std::tuple<int64_t, int64_t, at::ScalarType, bool>> {};

TEST_P(MatchedBoxes, AreThoseOfTheReferenceWithAndWithoutTheMatrix) {
  const auto [truth_count, box_count, type, allow_low_quality] = GetParam();
  const at::Tensor truths = noise_boxes(truth_count, 1, type, 60), boxes = noise_boxes(box_count, 3, type, 60);
  const at::Tensor iou = ops::box_iou(truths, boxes);
  const at::Tensor expected = ops::match_boxes_reference(iou, 0.5, 0.3, allow_low_quality);
  EXPECT_TRUE(ops::match_boxes(iou, 0.5, 0.3, allow_low_quality).equal(expected));
  EXPECT_TRUE(ops::match_anchors(truths, boxes, 0.5, 0.3, allow_low_quality).equal(expected));
  const ops::ReferenceScope scope(true);
  EXPECT_TRUE(ops::match_anchors(truths, boxes, 0.5, 0.3, allow_low_quality).equal(expected));
}

INSTANTIATE_TEST_SUITE_P(Counts, MatchedBoxes,
                         testing::Combine(testing::Values<int64_t>(0, 1, 2, 20),
                                          testing::Values<int64_t>(0, 1, 255, 256, 257, 1500),
                                          testing::Values(at::kFloat, at::kDouble), testing::Bool()));

TEST(MatchBoxes, DoesNotDependOnTheNumberOfThreads) {
  const at::Tensor truths = noise_boxes(9, 1), boxes = noise_boxes(3000, 3);
  const auto result = [&] { return ops::match_anchors(truths, boxes, 0.5, 0.4, true); };
  EXPECT_TRUE(on_threads(1, result).equal(on_threads(3, result)));
}

TEST(MatchBoxes, RefusesThresholdsThatAreNone) {
  const at::Tensor iou = at::zeros({1, 1});
  EXPECT_EQ(code_of([&] { ops::match_boxes(iou, 0.3, 0.7, true); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::match_boxes(iou, kNan, 0.3, true); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::match_boxes(at::zeros({3}), 0.7, 0.3, true); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::match_anchors(iou, at::zeros({1, 4}), 0.7, 0.3, true); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::match_boxes(at::zeros({1, 1}, at::kLong), 0.7, 0.3, true); }), "DTYPE_MISMATCH");
}

}  // namespace
}  // namespace reviewkd::tests::match_boxes
