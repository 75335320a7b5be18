// Masks pasted into images: by hand, and against the reference by products of matrices.
#include <gtest/gtest.h>

#include <limits>

#include "core/ops/backend/dispatch.h"
#include "core/ops/paste_masks/paste_masks.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"

namespace reviewkd::tests::paste_masks {
namespace {

using ops::MaskPaste;

TEST(PasteMasksByHand, SamplesTheGridAtTheCentersOfPixels) {
  // Two points, in a box of four pixels: at 0.75 and 3.25 by the distance of centers.
  const at::Tensor grid = at::tensor({0.0, 1.0, 0.0, 1.0}, at::kDouble).view({1, 2, 2});
  const at::Tensor pasted = ops::paste_masks(grid, boxes_of({1, 0, 5, 4}), 4, 7, MaskPaste::kDetectron2);
  const at::Tensor row = at::tensor({0.0, 0.0, 0.25, 0.75, 0.75, 0.25, 0.0}, at::kDouble);
  // Between the first center of a point and the edge values fall to 0, as outside of the grid there is nothing.
  EXPECT_TRUE(pasted[0][1].equal(row * 1.0));
  EXPECT_TRUE(pasted[0][0].equal(row * 0.75));
}

TEST(PasteMasksByHand, GrowsTheBoxByTheBorderOfTheGrid) {
  // Two points and a border of one each make four: the box of 4 pixels grows to 8 and, with its last corner, to 9.
  const at::Tensor pasted =
      ops::paste_masks(at::ones({1, 2, 2}, at::kDouble), boxes_of({4, 4, 8, 8}), 12, 12, MaskPaste::kTorchvision);
  // Position 4.5 · 4 / 9 - 1.5 of the middle pixel lies halfway between the points.
  EXPECT_DOUBLE_EQ(pasted[0][6][6].item<double>(), 1.0);
  EXPECT_EQ(pasted[0][1].sum().item<double>(), 0.0);
  EXPECT_NEAR(pasted[0][6][3].item<double>(), 1.5 * 4 / 9 - 0.5, 1e-15);
  expect_close(pasted[0], pasted[0].flip({0, 1}).roll({1, 1}, {0, 1}), 1e-15, "mirrored mask");
}

struct PasteCase {
  int64_t points, height, width;
  MaskPaste rule;
};

std::ostream& operator<<(std::ostream& out, const PasteCase& test) { return out << test.points << " points"; }

class PasteMasks : public testing::TestWithParam<PasteCase> {
 protected:
  static constexpr int64_t kMasks = 12;

  at::Tensor grids(at::ScalarType type) const {
    return noise_tensor({kMasks, GetParam().points, GetParam().points}, 1, type).abs() / 2;
  }
  /// Some reach beyond the image; one lies outside, and one surrounds it.
  static at::Tensor boxes(at::ScalarType type) {
    const at::Tensor boxes = noise_boxes(kMasks, 3, type, 60, 40) + 0.25;
    boxes[3] = boxes_of({-90, -80, -40, -30}, type)[0];
    boxes[4] = boxes_of({-300, -200, 400, 500}, type)[0];
    return boxes;
  }
};

TEST_P(PasteMasks, AgreeWithTheReference) {
  const auto [points, height, width, rule] = GetParam();
  for (const auto type : {at::kFloat, at::kDouble}) {
    const at::Tensor pasted = ops::paste_masks(grids(type), boxes(type), height, width, rule);
    // Positions of up to a hundred points, whose rounding is that of weights.
    expect_close(pasted, ops::paste_masks_reference(grids(type), boxes(type), height, width, rule),
                 type == at::kFloat ? 2e-5 : 1e-13, "probabilities");
    EXPECT_EQ(pasted.scalar_type(), type);
  }
}

TEST_P(PasteMasks, AreComparedWithoutTheirProbabilities) {
  const auto [points, height, width, rule] = GetParam();
  const at::Tensor pasted = ops::paste_masks(grids(at::kFloat), boxes(at::kFloat), height, width, rule);
  for (const double threshold : {0.0, 0.25, 0.5}) {
    const at::Tensor binary =
        ops::paste_masks_binary(grids(at::kFloat), boxes(at::kFloat), height, width, rule, threshold);
    EXPECT_EQ(binary.scalar_type(), at::kByte);
    EXPECT_TRUE(
        binary.equal((rule == MaskPaste::kTorchvision ? pasted > threshold : pasted >= threshold).to(at::kByte)))
        << threshold;
  }
  const ops::ReferenceScope scope(true);
  EXPECT_TRUE(ops::paste_masks(grids(at::kFloat), boxes(at::kFloat), height, width, rule)
                  .equal(ops::paste_masks_reference(grids(at::kFloat), boxes(at::kFloat), height, width, rule)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PasteMasks,
    testing::Values(PasteCase{28, 60, 80, MaskPaste::kTorchvision}, PasteCase{28, 60, 80, MaskPaste::kDetectron2},
                    PasteCase{7, 33, 5, MaskPaste::kTorchvision}, PasteCase{7, 33, 5, MaskPaste::kDetectron2},
                    PasteCase{1, 20, 20, MaskPaste::kTorchvision}, PasteCase{1, 20, 20, MaskPaste::kDetectron2}));

TEST(PasteMasksByHand, IncludeTheThresholdByDetectron2sRuleAlone) {
  const at::Tensor grid = at::full({1, 4, 4}, 0.5), box = boxes_of({-20, -20, 40, 40}, at::kFloat);
  EXPECT_EQ(ops::paste_masks_binary(grid, box, 4, 4, MaskPaste::kTorchvision, 0.5).sum().item<int64_t>(), 0);
  EXPECT_EQ(ops::paste_masks_binary(grid, box, 4, 4, MaskPaste::kDetectron2, 0.5).sum().item<int64_t>(), 16);
}

TEST(PasteMasksByHand, HaveNoPixelsInBoxesThatAreNone) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor boxes = boxes_of({kNan, 0, 4, 4, 0, 0, kInfinity, 4, 4, 4, 1, 1}, at::kFloat);
  for (const auto rule : {MaskPaste::kTorchvision, MaskPaste::kDetectron2}) {
    const at::Tensor grids = at::ones({3, 4, 4});
    EXPECT_EQ(ops::paste_masks(grids, boxes, 8, 8, rule).sum().item<float>(), 0.0f);
    EXPECT_EQ(ops::paste_masks_reference(grids, boxes, 8, 8, rule).sum().item<float>(), 0.0f);
  }
  const at::Tensor huge = boxes_of({-1e30, -1e30, 1e30, 1e30}, at::kFloat);
  EXPECT_EQ(ops::paste_masks(at::ones({1, 4, 4}), huge, 8, 8, MaskPaste::kTorchvision).sum().item<float>(), 64.0f);
  EXPECT_EQ(ops::paste_masks(at::ones({0, 4, 4}), at::ones({0, 4}), 8, 9, MaskPaste::kTorchvision).sizes(),
            at::IntArrayRef({0, 8, 9}));
}

TEST(PasteMasksByHand, RefuseWhatDoesNotFit) {
  const at::Tensor grids = at::ones({2, 4, 4}), boxes = at::zeros({2, 4});
  const auto paste = [&](const at::Tensor& probabilities, const at::Tensor& in, int64_t height) {
    return code_of([&] { ops::paste_masks(probabilities, in, height, 8, MaskPaste::kTorchvision); });
  };
  EXPECT_EQ(paste(at::ones({2, 4, 3}), boxes, 8), "SHAPE_MISMATCH");
  EXPECT_EQ(paste(at::ones({2, 0, 0}), boxes, 8), "SHAPE_MISMATCH");
  EXPECT_EQ(paste(grids, at::zeros({3, 4}), 8), "SHAPE_MISMATCH");
  EXPECT_EQ(paste(grids.to(at::kLong), boxes, 8), "DTYPE_MISMATCH");
  EXPECT_EQ(paste(grids, boxes, 0), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::paste_masks_binary(grids, boxes, 8, 8, MaskPaste::kDetectron2, 2); }),
            "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace reviewkd::tests::paste_masks
