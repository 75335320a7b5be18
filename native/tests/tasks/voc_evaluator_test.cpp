// Pascal VOC's average precision, worked by hand.
#include "core/tasks/detection/voc_evaluator.h"

#include <gtest/gtest.h>

#include "instances.h"

namespace reviewkd::tests::voc_evaluator {
namespace {

constexpr XywhBox kBox{10, 10, 10, 10}, kElsewhere{60, 60, 10, 10};

VocSummary evaluate(VocRule rule, const std::vector<ImageInstances>& images, int64_t categories = 1) {
  VocEvaluator evaluator(categories, OverlapKind::kBoxes, rule);
  evaluator.add(images);
  return evaluator.summarize();
}

// By falling score: right, wrong, right; recalls 1/2, 1/2, 1 with precisions 1, 1/2, 2/3.
const std::vector<ImageInstances> kImages{{1, {truth_at(kBox)}, {detected_at(kBox, 0.9), detected_at(kElsewhere, 0.8)}},
                                          {2, {truth_at(kBox)}, {detected_at(kBox, 0.7)}}};

TEST(VocEvaluator, Averages11RecallsUntil2007) {
  // 0 to 0.5: 1; 0.6 to 1: 2/3.
  EXPECT_NEAR(evaluate(VocRule::k2007, kImages).stats.ap50, (6 + 5 * 2.0 / 3) / 11, 1e-15);
}

TEST(VocEvaluator, MeasuresTheAreaFrom2010On) {
  EXPECT_NEAR(evaluate(VocRule::k2010, kImages).stats.ap50, 0.5 + 0.5 * 2 / 3, 1e-15);
}

TEST(VocEvaluator, ReachesARecallOfThreeTenths) {
  // numpy.arange's 0.3 is 0.30000000000000004, more than 3 / 10.
  ImageInstances image{1, {}, {}};
  for (int i = 0; i < 10; ++i) image.truths.push_back(truth_at({100.0 * i, 0, 10, 10}));
  for (int i = 0; i < 3; ++i) image.detections.push_back(detected_at({100.0 * i, 0, 10, 10}, 0.9));
  EXPECT_NEAR(evaluate(VocRule::k2007, {image}).stats.ap50, 4.0 / 11, 1e-15);
}

TEST(VocEvaluator, AveragesCategoriesWithTruths) {
  const VocSummary summary =
      evaluate(VocRule::k2010, {{1, {truth_at(kBox, 0), truth_at(kBox, 1)}, {detected_at(kBox, 0.9, 0)}}}, 3);
  EXPECT_EQ(summary.per_category[0].ap50, 1);
  EXPECT_EQ(summary.per_category[1].ap50, 0);
  EXPECT_EQ(summary.per_category[2].ap50, -1);
  EXPECT_EQ(summary.stats.ap50, 0.5);
  EXPECT_EQ(evaluate(VocRule::k2010, {}).stats.ap, -1);
}

TEST(VocEvaluator, HasEachOverlap) {
  // 10 · 10 in 10 · 13 is 0.77: above the first six thresholds.
  const VocSummary summary = evaluate(VocRule::k2010, {{1, {truth_at({10, 10, 10, 13})}, {detected_at(kBox, 0.9)}}});
  EXPECT_NEAR(summary.stats.ap, 0.6, 1e-15);
  EXPECT_EQ(summary.stats.ap75, 1);
}

}  // namespace
}  // namespace reviewkd::tests::voc_evaluator
