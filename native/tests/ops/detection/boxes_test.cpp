// Areas, overlaps and codes of boxes, worked by hand, and the overlaps of plain arrays against PyTorch's.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/ops/boxes/boxes.h"
#include "core/ops/boxes/overlaps.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"

namespace reviewkd::tests::boxes {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

TEST(Boxes, OverlapByTheShareOfTheirUnion) {
  const at::Tensor a = boxes_of({0, 0, 4, 4, 10, 10, 12, 12}), b = boxes_of({2, 0, 6, 4, 0, 0, 4, 4, 5, 5, 5, 5});
  EXPECT_TRUE(ops::box_iou(a, b).equal(at::tensor({8.0 / 24, 1.0, 0.0, 0.0, 0.0, 0.0}, at::kDouble).view({2, 3})));
  EXPECT_TRUE(ops::box_area(b).equal(at::tensor({16.0, 16.0, 0.0}, at::kDouble)));
}

TEST(Boxes, HaveNoOverlapWhereNeitherHasAnArea) {
  const at::Tensor point = boxes_of({3, 3, 3, 3});
  EXPECT_TRUE(std::isnan(ops::box_iou(point, point).item<double>()));
}

TEST(Boxes, LoseTheShareOfTheirHullThatNeitherCovers) {
  // Two squares, one square apart: a third of their hull is empty.
  EXPECT_DOUBLE_EQ(ops::generalized_box_iou(boxes_of({0, 0, 1, 1}), boxes_of({2, 0, 3, 1})).item<double>(), -1.0 / 3);
}

TEST(Boxes, AreMovedIntoTheImageInAnyShape) {
  const at::Tensor boxes = boxes_of({-3, 5, 200, 90, 10, -1, 20, 300}).view({1, 2, 4});
  EXPECT_TRUE(ops::clip_boxes(boxes, 80, 100).equal(boxes_of({0, 5, 100, 80, 10, 0, 20, 80}).view({1, 2, 4})));
  EXPECT_EQ(ops::clip_boxes(at::empty({0, 4}), 80, 100).sizes(), at::IntArrayRef({0, 4}));
}

TEST(Boxes, AreLargeIfBothSidesAre) {
  const at::Tensor boxes = boxes_of({0, 0, 2, 2, 0, 0, 2, 1.5, 0, 0, 1.5, 2, 0, 0, kNan, 2, 5, 5, 8, 9});
  EXPECT_TRUE(ops::large_boxes(boxes, 2).equal(at::tensor({0, 4}, at::kLong)));
}

TEST(Boxes, AreDecodedFromTheirCode) {
  const at::Tensor proposals = noise_boxes(50, 1, at::kDouble), truths = noise_boxes(50, 5, at::kDouble);
  const ops::BoxWeights weights{10, 10, 5, 5};
  const at::Tensor code = ops::encode_boxes(truths, proposals, weights);
  // Rounding of a logarithm and its inverse.
  expect_close(ops::decode_boxes(code, proposals, weights), truths, 1e-13, "boxes");
  // Several classes, each with numbers of its own.
  const at::Tensor decoded = ops::decode_boxes(at::cat({code * 0, code}, 1), proposals, weights);
  expect_close(decoded.slice(1, 0, 4), proposals, 1e-13, "boxes of the first class");
  expect_close(decoded.slice(1, 4), truths, 1e-13, "boxes of the second class");
}

TEST(Boxes, AreEncodedAsShiftsAndLogarithms) {
  const at::Tensor code = ops::encode_boxes(boxes_of({2, 0, 6, 16}), boxes_of({0, 0, 4, 8}), {10, 20, 5, 3});
  expect_close(code, boxes_of({10 * 0.5, 20 * 0.5, 0, 3 * std::log(2.0)}), 1e-15, "code");
}

TEST(Boxes, GrowBySixtyTwoAndAHalfAtMost) {
  const at::Tensor decoded = ops::decode_boxes(boxes_of({0, 0, 50, 1e6}), boxes_of({0, 0, 2, 4}), {});
  // exp(log(1000 / 16)) is 62.5 but for rounding.
  expect_close(decoded, boxes_of({1 - 62.5, 2 - 125, 1 + 62.5, 2 + 125}), 1e-14, "box");
}

TEST(Boxes, OfOtherShapesAndTypesAreErrors) {
  const at::Tensor boxes = boxes_of({0, 0, 1, 1}), numbers = at::zeros({1, 4}, at::kLong);
  EXPECT_EQ(code_of([&] { ops::box_area(at::zeros({4})); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::box_area(at::zeros({2, 5})); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::box_iou(boxes, numbers); }), "DTYPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::box_iou(boxes, boxes.to(at::kFloat)); }), "DTYPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::clip_boxes(at::zeros({2, 3}), 1, 1); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::encode_boxes(at::zeros({2, 4}), at::zeros({3, 4}), {}); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::decode_boxes(at::zeros({1, 6}), at::zeros({1, 4}), {}); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::decode_boxes(boxes, boxes, {1, 0, 1, 1}); }), "INVALID_ARGUMENT");
  EXPECT_STREQ(error_of([&] { ops::box_area(at::zeros({2, 5})); }).what(),
               "invalid boxes: expected shape [N, 4], received [2, 5]. Pass x1, y1, x2, y2 in each row; no boxes are "
               "[0, 4].");
}

template <typename T>
class BoxOverlaps : public testing::Test {
 protected:
  static constexpr at::ScalarType kType = sizeof(T) == 4 ? at::kFloat : at::kDouble;

  static ops::BoxColumns<T> columns(const at::Tensor& boxes) { return {boxes.const_data_ptr<T>(), boxes.size(0)}; }
};

using BoxTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(BoxOverlaps, BoxTypes);

TYPED_TEST(BoxOverlaps, AreThoseOfBoxIouBitForBit) {
  const at::Tensor odd = boxes_of({3, 3, 3, 3, kNan, 0, 1, 1, 0, 0, kInfinity, 5, 9, 9, 2, 2, 0, 0, 1e30, 1e30});
  const at::Tensor boxes = at::cat({noise_boxes(70, 1, at::kDouble) / 3, odd}).to(this->kType);
  const auto columns = this->columns(boxes);
  at::Tensor overlaps = at::empty({boxes.size(0), boxes.size(0)}, boxes.options());
  for (int64_t i = 0; i < boxes.size(0); ++i)
    columns.overlaps(columns, i, 0, boxes.size(0), overlaps[i].template data_ptr<TypeParam>());
  EXPECT_TRUE(at::allclose(overlaps, ops::box_iou(boxes, boxes), 0, 0, /*equal_nan=*/true));
}

TYPED_TEST(BoxOverlaps, AreAboveAThresholdAsRealNumbersAre) {
  // An overlap of a third, rounded to the type, is above 0.3333 and not above itself.
  const at::Tensor boxes = boxes_of({0, 0, 4, 4, 2, 0, 6, 4}, this->kType);
  const auto columns = this->columns(boxes.slice(0, 0, 1)), other = this->columns(boxes.slice(0, 1));
  const double third = static_cast<double>(static_cast<TypeParam>(1) / 3);
  EXPECT_TRUE(columns.any_above(other, 0, 0.3333));
  EXPECT_TRUE(columns.any_above(other, 0, std::nextafter(third, 0.0)));
  EXPECT_FALSE(columns.any_above(other, 0, third));
}

}  // namespace
}  // namespace reviewkd::tests::boxes
