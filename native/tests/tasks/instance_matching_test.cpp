// Who is matched with whom, worked by hand.
#include "core/tasks/detection/instance_matching.h"

#include <gtest/gtest.h>

#include "instances.h"

namespace reviewkd::tests::instance_matching {
namespace {

constexpr XywhBox kBox{10, 10, 10, 10};
constexpr XywhBox kTwice{10, 10, 10, 20};  // overlaps kBox by exactly one half
constexpr uint16_t kAll = (1 << kThresholds) - 1;

CategoryMatches match(const std::vector<TruthInstance>& truths, const std::vector<DetectedInstance>& detections,
                      MatchRule rule = MatchRule::kCoco) {
  const auto all = match_instances({1, truths, detections}, OverlapKind::kBoxes, rule);
  EXPECT_EQ(all.size(), 1u);
  return all.front();
}

TEST(CocoMatching, MatchesFromTheThresholdOn) {
  const CategoryMatches matches = match({truth_at(kTwice)}, {detected_at(kBox, 0.9)});
  EXPECT_EQ(matches.detections[0].by_area[0].matched, 1);  // 0.5 alone
  EXPECT_EQ(matches.positives[0], 1);
}

TEST(CocoMatching, GivesATruthToTheDetectionWithTheHighestScore) {
  const CategoryMatches matches = match({truth_at(kBox)}, {detected_at(kBox, 0.1), detected_at(kBox, 0.9)});
  EXPECT_EQ(matches.detections[0].score, 0.9);
  EXPECT_EQ(matches.detections[0].by_area[0].matched, kAll);
  EXPECT_EQ(matches.detections[1].by_area[0].matched, 0);
}

TEST(CocoMatching, TriesTheNextTruthWhereTheBestIsTaken) {
  const XywhBox near{10, 10, 10, 14};
  const CategoryMatches matches =
      match({truth_at(kBox), truth_at(near)}, {detected_at(kBox, 0.9), detected_at(kBox, 0.8)});
  EXPECT_EQ(matches.detections[1].by_area[0].matched, 0b1111'1);  // 10 / 14 = 0.71: to 0.7
}

TEST(CocoMatching, PrefersATruthThatCountsToAnIgnoredOneWithMoreOverlap) {
  const CategoryMatches matches = match({crowd_at(kBox), truth_at(kTwice)}, {detected_at(kBox, 0.9)});
  EXPECT_EQ(matches.detections[0].by_area[0].matched, kAll);
  EXPECT_EQ(matches.detections[0].by_area[0].ignored, kAll & ~1);  // at 0.5 it is the real one
  EXPECT_EQ(matches.positives[0], 1);
}

TEST(CocoMatching, IgnoresAnyNumberOfDetectionsInACrowd) {
  const XywhBox inside{12, 12, 3, 3};
  const CategoryMatches matches =
      match({crowd_at(kBox)}, {detected_at(inside, 0.9), detected_at(inside, 0.8), detected_at({50, 50, 5, 5}, 0.7)});
  EXPECT_EQ(matches.detections[0].by_area[0].ignored, kAll);
  EXPECT_EQ(matches.detections[1].by_area[0].ignored, kAll);
  EXPECT_EQ(matches.detections[2].by_area[0].ignored, 0);
  EXPECT_EQ(matches.positives[0], 0);
}

TEST(CocoMatching, CountsTheEndsOfARangeOfAreas) {
  // 32² is small and medium.
  const XywhBox box{0, 0, 32, 32};
  const CategoryMatches matches = match({truth_at(box)}, {});
  EXPECT_EQ(matches.positives, (std::array<int64_t, kAreas>{1, 1, 1, 0}));
}

TEST(CocoMatching, IgnoresUnmatchedDetectionsOutsideARangeAlone) {
  const CategoryMatches matches = match({truth_at({0, 0, 10, 10})}, {detected_at({50, 50, 200, 200}, 0.9)});
  EXPECT_EQ(matches.detections[0].by_area[0].ignored, 0);
  EXPECT_EQ(matches.detections[0].by_area[1].ignored, kAll);
  EXPECT_EQ(matches.detections[0].by_area[3].ignored, 0);
}

TEST(CocoMatching, CountsALostTruthsDetectionAsUnmatchedAndTheTruthAsTaken) {
  TruthInstance lost = truth_at(kBox);
  lost.is_lost = true;
  const CategoryMatches matches = match({lost}, {detected_at(kBox, 0.9), detected_at(kBox, 0.8)});
  for (const MatchedDetection& detection : matches.detections) {
    EXPECT_EQ(detection.by_area[0].matched, 0);
    EXPECT_EQ(detection.by_area[0].ignored, 0);
  }
  EXPECT_EQ(matches.positives[0], 1);
}

TEST(CocoMatching, KeepsAHundredDetectionsOfAnImageAndCategory) {
  std::vector<DetectedInstance> detections;
  for (int i = 0; i < 150; ++i) detections.push_back(detected_at(kBox, i));
  const CategoryMatches matches = match({}, detections);
  ASSERT_EQ(matches.detections.size(), kMostDetections);
  EXPECT_EQ(matches.detections.front().score, 149);
  EXPECT_EQ(matches.detections.back().rank, 99u);
}

TEST(CocoMatching, SeparatesCategories) {
  const auto all =
      match_instances({1, {truth_at(kBox, 3)}, {detected_at(kBox, 0.9, 1)}}, OverlapKind::kBoxes, MatchRule::kCoco);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].category, 1);
  EXPECT_EQ(all[0].detections[0].by_area[0].matched, 0);
  EXPECT_EQ(all[1].positives[0], 1);
}

TEST(VocMatching, MatchesAboveTheThresholdAlone) {
  const CategoryMatches matches = match({truth_at(kTwice)}, {detected_at(kBox, 0.9)}, MatchRule::kVoc);
  EXPECT_EQ(matches.detections[0].by_area[0].matched, 0);
}

TEST(VocMatching, DoesNotTryAnotherTruthThanTheBest) {
  const XywhBox near{10, 10, 10, 14};
  const CategoryMatches matches =
      match({truth_at(kBox), truth_at(near)}, {detected_at(kBox, 0.9), detected_at(kBox, 0.8)}, MatchRule::kVoc);
  EXPECT_EQ(matches.detections[0].by_area[0].matched, kAll);
  EXPECT_EQ(matches.detections[1].by_area[0].matched, 0);
  EXPECT_EQ(matches.detections[1].by_area[0].ignored, 0);
}

TEST(VocMatching, NeitherCountsNorPunishesDifficultTruths) {
  TruthInstance difficult = truth_at(kBox);
  difficult.is_difficult = true;
  const CategoryMatches matches = match({difficult}, {detected_at(kBox, 0.9), detected_at(kBox, 0.8)}, MatchRule::kVoc);
  EXPECT_EQ(matches.positives[0], 0);
  EXPECT_EQ(matches.detections[0].by_area[0].ignored, kAll);
  EXPECT_EQ(matches.detections[1].by_area[0].ignored, kAll);
}

}  // namespace
}  // namespace reviewkd::tests::instance_matching
