// COCO's numbers worked by hand; the same whatever the order of the images and the number of threads.
#include "core/tasks/detection/coco_evaluator.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../support/errors.h"
#include "../support/threads.h"
#include "core/base/random.h"
#include "instances.h"

namespace reviewkd::tests::coco_evaluator {
namespace {

constexpr XywhBox kBox{10, 10, 10, 10}, kElsewhere{60, 60, 10, 10};

CocoSummary evaluate(const std::vector<ImageInstances>& images, int64_t categories = 1) {
  CocoEvaluator evaluator(categories, OverlapKind::kBoxes);
  evaluator.add(images);
  return evaluator.summarize();
}

/// Images with several truths and detections of five categories, many scores equal.
std::vector<ImageInstances> drawn_images(int64_t count) {
  RandomStream stream(5);
  const auto below = [&](uint64_t bound) { return static_cast<double>(stream.below(bound)); };
  std::vector<ImageInstances> images;
  for (int64_t i = 0; i < count; ++i) {
    ImageInstances& image = images.emplace_back();
    image.image = 1000 - i;
    for (int k = 0; k < 6; ++k) {
      const XywhBox box{below(100), below(100), 5 + below(60), 5 + below(60)};
      const auto category = static_cast<int64_t>(below(5));
      if (below(3) > 0) image.truths.push_back(truth_at(box, category));
      const XywhBox moved{box.x + below(5), box.y, box.width, box.height};
      image.detections.push_back(detected_at(moved, below(4) / 4, category));
    }
  }
  return images;
}

TEST(CocoEvaluator, ReadsPrecisionAtEachRecall) {
  // By falling score: right, wrong, right; one of the three truths is missed. Precision 1 to a recall of 1/3, 2/3 to 2/3.
  const CocoSummary summary = evaluate({{1, {truth_at(kBox)}, {detected_at(kBox, 0.9), detected_at(kElsewhere, 0.8)}},
                                        {2, {truth_at(kBox), truth_at(kElsewhere)}, {detected_at(kBox, 0.7)}}});
  // 34 of 101 recalls up to 1/3, 33 more up to 2/3. The rounding of a sum of 1,010 values.
  EXPECT_NEAR(summary.stats.ap, (34 * 1.0 + 33 * 2.0 / 3) / 101, 1e-13);
  EXPECT_DOUBLE_EQ(summary.stats.ar1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(summary.stats.ar100, 2.0 / 3);
  EXPECT_EQ(summary.stats.ap_large, -1);
  EXPECT_EQ(summary.scores[0], 0.9);
}

TEST(CocoEvaluator, LeavesCategoriesWithoutTruthsOut) {
  const CocoSummary summary =
      evaluate({{1, {truth_at(kBox, 1)}, {detected_at(kBox, 0.9, 1), detected_at(kBox, 0.8, 0)}}}, 3);
  EXPECT_NEAR(summary.stats.ap, 1, 1e-13);
  EXPECT_EQ(summary.per_category[0].ap, -1);
  EXPECT_EQ(summary.per_category[2].recall[0], -1);
  EXPECT_EQ(summary.per_category[1].recall[9], 1);
}

TEST(CocoEvaluator, IsZeroWithoutDetectionsAndMinusOneWithoutTruths) {
  const CocoSummary missed = evaluate({{1, {truth_at(kBox)}, {}}});
  EXPECT_EQ(missed.stats.ap, 0);
  EXPECT_EQ(missed.stats.ar100, 0);
  EXPECT_EQ(evaluate({{1, {}, {detected_at(kBox, 0.9)}}}).stats.ap, -1);
  EXPECT_EQ(evaluate({}).stats.ap, -1);
  EXPECT_EQ(evaluate({}, 0).stats.ar1, -1);
}

TEST(CocoEvaluator, RanksEqualScoresByImageInAnyOrder) {
  std::vector<ImageInstances> images{{1, {truth_at(kBox)}, {detected_at(kBox, 0.5)}},
                                     {2, {}, {detected_at(kBox, 0.5)}}};
  const double ap = evaluate(images).stats.ap;
  EXPECT_NEAR(ap, 1, 1e-13);
  std::reverse(images.begin(), images.end());
  EXPECT_EQ(evaluate(images).stats.ap, ap);
}

TEST(CocoEvaluator, DoesNotDependOnTheNumberOfThreadsNorOnTheParts) {
  const auto images = drawn_images(60);
  const auto whole = [&] { return evaluate(images, 5); };
  const CocoSummary alone = on_threads(1, whole), together = on_threads(7, whole);
  const CocoSummary parts = on_threads(7, [&] {
    CocoEvaluator evaluator(5, OverlapKind::kBoxes);
    for (const ImageInstances& image : images) evaluator.add({&image, 1});
    return evaluator.summarize();
  });
  EXPECT_GT(alone.stats.ap, 0.1);
  for (const CocoSummary* other : {&together, &parts}) {
    EXPECT_EQ(other->precision, alone.precision);
    EXPECT_EQ(other->recall, alone.recall);
    EXPECT_EQ(other->scores, alone.scores);
    EXPECT_EQ(other->stats.ap, alone.stats.ap);
  }
}

TEST(CocoEvaluator, RefusesWrongImages) {
  EXPECT_EQ(code_of([] { evaluate({{1, {truth_at(kBox, 1)}, {}}}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([] { evaluate({{1, {}, {detected_at(kBox, 0.5, -1)}}}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([] { evaluate({{1, {}, {detected_at(kBox, std::nan(""))}}}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([] { evaluate({{1, {}, {}}, {1, {}, {}}}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([] { CocoEvaluator(kMostCategories + 1, OverlapKind::kBoxes); }), "INVALID_ARGUMENT");
}

TEST(CocoEvaluator, ComparesMasksOfAnImage) {
  TruthInstance truth = truth_at(kBox);
  truth.mask = mask_of_counts(std::vector<double>{10, 20, 70}, 10, 10, "mask");
  DetectedInstance found = detected_at(kElsewhere, 0.9);
  found.mask = mask_of_counts(std::vector<double>{10, 15, 75}, 10, 10, "mask");  // 15 of 20 pixels
  CocoEvaluator evaluator(1, OverlapKind::kMasks);
  evaluator.add(std::vector<ImageInstances>{{1, {truth}, {found}}});
  const CocoSummary summary = evaluator.summarize();
  EXPECT_EQ(summary.per_category[0].recall, (std::array<double, 10>{1, 1, 1, 1, 1, 1, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace reviewkd::tests::coco_evaluator
