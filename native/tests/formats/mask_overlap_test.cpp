// Unions, intersections and overlaps, worked by hand.
#include "formats/coco/mask_overlap.h"

#include <gtest/gtest.h>

#include "../support/errors.h"

namespace reviewkd::tests::mask_overlap {
namespace {

RunLengthMask of_counts(const std::vector<double>& counts, int64_t height = 2, int64_t width = 5) {
  return mask_of_counts(counts, height, width, "mask");
}

double overlap(const RunLengthMask& detection, const RunLengthMask& truth, bool is_crowd = false) {
  return reviewkd::mask_overlap(MeasuredMask(detection), MeasuredMask(truth), is_crowd);
}

// Pixels 2 to 5 and 4 to 9 of 10.
const RunLengthMask kFirst = of_counts({2, 4, 4}), kSecond = of_counts({4, 6});

TEST(MaskOverlap, MergesMasks) {
  EXPECT_EQ(merge_masks({kFirst, kSecond}, MaskMerge::kUnion).counts, (std::vector<uint32_t>{2, 8}));
  EXPECT_EQ(merge_masks({kFirst, kSecond}, MaskMerge::kIntersection).counts, (std::vector<uint32_t>{4, 2, 4}));
  const RunLengthMask third = of_counts({0, 1, 9});
  EXPECT_EQ(merge_masks({kFirst, kSecond, third}, MaskMerge::kUnion).counts, (std::vector<uint32_t>{0, 1, 1, 8}));
  EXPECT_EQ(merge_masks({kFirst, kSecond, third}, MaskMerge::kIntersection).counts, std::vector<uint32_t>{10});
}

TEST(MaskOverlap, MergesEmptyRunsAway) {
  const RunLengthMask padded = of_counts({2, 2, 0, 2, 4});
  EXPECT_EQ(merge_masks({padded, of_counts({10})}, MaskMerge::kUnion).counts, kFirst.counts);
  EXPECT_EQ(overlap(padded, kFirst), 1);
}

TEST(MaskOverlap, IsTheIntersectionOverTheUnion) {
  EXPECT_EQ(overlap(kFirst, kSecond), 2.0 / 8);
  EXPECT_EQ(overlap(kFirst, of_counts({6, 4})), 0);
  EXPECT_EQ(overlap(of_counts({10}), of_counts({10})), 0);
}

TEST(MaskOverlap, IsTheIntersectionOverTheDetectionForACrowd) {
  EXPECT_EQ(overlap(kFirst, kSecond, true), 2.0 / 4);
  EXPECT_EQ(overlap(kSecond, kFirst, true), 2.0 / 6);
}

TEST(MaskOverlap, OfBoxesHasNoExtraPixel) {
  const XywhBox unit{0, 0, 1, 1}, right{0.5, 0, 1, 1};
  EXPECT_EQ(box_overlap(unit, right, false), 0.5 / 1.5);
  EXPECT_EQ(box_overlap(unit, right, true), 0.5);
  EXPECT_EQ(box_overlap(unit, {1, 0, 1, 1}, false), 0);
  EXPECT_EQ(box_overlap(unit, {0.5, 0.5, 0, 0}, true), 0);
}

TEST(MaskOverlap, RefusesMasksOfOtherSizes) {
  const RunLengthMask other = of_counts({10}, 5, 2);
  EXPECT_EQ(code_of([&] { overlap(kFirst, other); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { merge_masks({kFirst, other}, MaskMerge::kUnion); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([] { merge_masks({}, MaskMerge::kUnion); }), "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace reviewkd::tests::mask_overlap
