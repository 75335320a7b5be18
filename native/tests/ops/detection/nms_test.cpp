// Non-maximum suppression, by hand and against the plain reference.
#include <gtest/gtest.h>

#include <limits>

#include "core/ops/backend/dispatch.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/nms/nms.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::nms {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

at::Tensor indices(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

/// Scores in steps, so that many are equal.
at::Tensor noise_scores(int64_t count, int64_t seed, at::ScalarType type = at::kFloat) {
  return noise_tensor({count}, seed, at::kDouble, 4).round().to(type);
}

TEST(Nms, KeepsTheBestOfOverlappingBoxes) {
  const at::Tensor boxes = boxes_of({0, 0, 4, 4, 1, 0, 5, 4, 20, 20, 24, 24, 2, 0, 6, 4});
  // Boxes 0 and 1 overlap by 12 / 20, 1 and 3 as well; 0 and 3 by 8 / 24.
  EXPECT_TRUE(ops::nms(boxes, at::tensor({0.9, 0.8, 0.1, 0.7}, at::kDouble), 0.5).equal(indices({0, 3, 2})));
  EXPECT_TRUE(ops::nms(boxes, at::tensor({0.8, 0.9, 0.1, 0.7}, at::kDouble), 0.5).equal(indices({1, 2})));
}

TEST(Nms, KeepsBoxesThatOverlapByTheThreshold) {
  const at::Tensor boxes = boxes_of({0, 0, 3, 1, 1, 0, 4, 1}, at::kFloat), scores = at::tensor({1.0f, 0.5f});
  EXPECT_EQ(ops::nms(boxes, scores, 0.5).size(0), 2);
  EXPECT_EQ(ops::nms(boxes, scores, 0.49).size(0), 1);
  // Nothing overlaps itself by more than 1, and boxes that touch do not overlap.
  EXPECT_EQ(ops::nms(boxes_of({0, 0, 1, 1, 0, 0, 1, 1}), at::ones({2}), 1.0).size(0), 2);
  EXPECT_EQ(ops::nms(boxes_of({0, 0, 1, 1, 1, 0, 2, 1}), at::ones({2}), 0.0).size(0), 2);
}

TEST(Nms, OrdersEqualScoresAsTheyCome) {
  const at::Tensor boxes = boxes_of({0, 0, 1, 1, 5, 5, 6, 6, 0, 0, 1, 1, 9, 9, 10, 10});
  EXPECT_TRUE(ops::nms(boxes, at::tensor({0.5, 0.7, 0.5, 0.7}, at::kDouble), 0.5).equal(indices({1, 3, 0})));
}

TEST(Nms, SuppressesNothingByBoxesWithoutArea) {
  EXPECT_EQ(ops::nms(boxes_of({3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 4, 4}), at::ones({3}), 0.0).size(0), 3);
}

TEST(Nms, SurvivesNumbersThatAreNone) {
  const at::Tensor boxes =
      at::tensor({kNan,      0.0f,      1.0f, 1.0f, 0.0f, 0.0f, kInfinity, kInfinity, -kInfinity, -kInfinity,
                  kInfinity, kInfinity, 5.0f, 5.0f, 1.0f, 1.0f, 0.0f,      0.0f,      1.0f,       1.0f})
          .view({5, 4})
          .repeat({40, 1});
  const at::Tensor scores = at::tensor({kNan, 1.0f, kInfinity, -kInfinity, 0.0f}).repeat({40});
  const at::Tensor kept = ops::nms(boxes, scores, 0.5);
  EXPECT_TRUE(kept.equal(ops::nms_reference(boxes, scores, 0.5)));
  EXPECT_TRUE(scores[kept[0]].isnan().item<bool>());
}

class NmsOfBoxes : public testing::TestWithParam<std::tuple<int64_t, double, at::ScalarType>> {};

TEST_P(NmsOfBoxes, AgreesWithTheReference) {
  const auto [count, threshold, type] = GetParam();
  const at::Tensor boxes = noise_boxes(count, 1, type), scores = noise_scores(count, 9, type);
  const at::Tensor classes = noise_tensor({count}, 5, at::kFloat, 2).round().to(at::kLong);
  const at::Tensor kept = ops::nms(boxes, scores, threshold);
  EXPECT_TRUE(kept.equal(ops::nms_reference(boxes, scores, threshold)));
  EXPECT_TRUE(ops::batched_nms(boxes, scores, classes, threshold)
                  .equal(ops::batched_nms_reference(boxes, scores, classes, threshold)));
  const ops::ReferenceScope scope(true);
  EXPECT_TRUE(ops::nms(boxes, scores, threshold).equal(kept));
}

INSTANTIATE_TEST_SUITE_P(Counts, NmsOfBoxes,
                         testing::Combine(testing::Values<int64_t>(0, 1, 2, 63, 64, 65, 300),
                                          testing::Values(0.0, 0.3, 0.5, 1.0),
                                          testing::Values(at::kFloat, at::kDouble)));

TEST(BatchedNms, SuppressesWithinAClassAlone) {
  const at::Tensor boxes = boxes_of({-9, -9, -5, -5}).repeat({4, 1});
  const at::Tensor scores = at::tensor({0.1, 0.9, 0.5, 0.9}, at::kDouble);
  EXPECT_TRUE(ops::batched_nms(boxes, scores, indices({7, -2, 7, 7}), 0.5).equal(indices({1, 3})));
}

TEST(BatchedNms, DoesNotDependOnTheNumberOfThreads) {
  const at::Tensor boxes = noise_boxes(500, 1), scores = noise_scores(500, 2);
  const at::Tensor classes = at::arange(500).remainder(7);
  const auto result = [&] { return ops::batched_nms(boxes, scores, classes, 0.5); };
  EXPECT_TRUE(on_threads(1, result).equal(on_threads(3, result)));
}

TEST(BatchedNms, RefusesWhatDoesNotFit) {
  const at::Tensor boxes = at::zeros({2, 4}), scores = at::zeros({2}), classes = at::zeros({2}, at::kLong);
  EXPECT_EQ(code_of([&] { ops::nms(boxes, at::zeros({3}), 0.5); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::nms(boxes, scores, 1.5); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::nms(boxes, scores, std::numeric_limits<double>::quiet_NaN()); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::nms(boxes, classes, 0.5); }), "DTYPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::batched_nms(boxes, scores, scores, 0.5); }), "DTYPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::batched_nms(boxes, scores, at::zeros({3}, at::kLong), 0.5); }), "SHAPE_MISMATCH");
}

}  // namespace
}  // namespace reviewkd::tests::nms
