// Losses of boxes, by hand and with gradients of differences.
#include <gtest/gtest.h>

#include "core/ops/box_losses/box_losses.h"
#include "core/ops/boxes/boxes.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"
#include "tests/support/gradients.h"

namespace reviewkd::tests::box_losses {
namespace {

TEST(SmoothL1Loss, IsQuadraticBelowBetaAndLinearAbove) {
  const at::Tensor input = at::tensor({0.25, -2.0, 0.0}, at::kDouble), target = at::zeros({3}, at::kDouble);
  EXPECT_TRUE(ops::smooth_l1_loss(input, target, 0.5).equal(at::tensor({0.0625, 1.75, 0.0}, at::kDouble)));
  EXPECT_TRUE(ops::smooth_l1_loss(input, target, 0).equal(at::tensor({0.25, 2.0, 0.0}, at::kDouble)));
}

TEST(SmoothL1Loss, HasTheGradientOfItsDifferences) {
  const at::Tensor target = noise_tensor({5, 4}, 2, at::kDouble);
  for (const double beta : {0.0, 1.0 / 9, 1.0}) {
    expect_gradient_of_differences([&](const at::Tensor& input) { return ops::smooth_l1_loss(input, target, beta); },
                                   noise_tensor({5, 4}, 1, at::kDouble));
  }
}

TEST(GeneralizedBoxIouLoss, IsOneMinusTheGeneralizedIou) {
  const at::Tensor boxes = noise_boxes(30, 1, at::kDouble), targets = noise_boxes(30, 3, at::kDouble);
  expect_close(ops::generalized_box_iou_loss(boxes, targets, 0),
               1 - ops::generalized_box_iou(boxes, targets).diagonal(), 1e-14, "loss");
}

TEST(GeneralizedBoxIouLoss, HasTheGradientOfItsDifferences) {
  const at::Tensor targets = noise_boxes(12, 3, at::kDouble);
  // Corners that are not whole never coincide, where the loss has a kink.
  expect_gradient_of_differences(
      [&](const at::Tensor& boxes) { return ops::generalized_box_iou_loss(boxes, targets, 1e-7); },
      noise_boxes(12, 1, at::kDouble) + 0.3);
}

TEST(GeneralizedBoxIouLoss, IsFiniteForBoxesWithoutArea) {
  const at::Tensor point = leaf(boxes_of({3, 3, 3, 3}), at::kDouble);
  const at::Tensor loss = ops::generalized_box_iou_loss(point, point.detach(), 1e-7);
  EXPECT_EQ(loss.item<double>(), 1.0);
  EXPECT_TRUE(gradients_of(loss, at::ones({1}), {point})[0].isfinite().all().item<bool>());
}

TEST(BoxLosses, RefuseWhatDoesNotFit) {
  const at::Tensor boxes = at::zeros({2, 4});
  EXPECT_EQ(code_of([&] { ops::smooth_l1_loss(boxes, at::zeros({2, 3}), 1); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::smooth_l1_loss(boxes, boxes, -1); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::smooth_l1_loss(boxes, boxes.to(at::kDouble), 1); }), "DTYPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::generalized_box_iou_loss(boxes, at::zeros({1, 4}), 0); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::generalized_box_iou_loss(boxes, boxes, -1); }), "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace reviewkd::tests::box_losses
