// The focal loss: by hand, with gradients of differences, and its fused sum against double.
#include <gtest/gtest.h>

#include <cmath>

#include "core/ops/backend/dispatch.h"
#include "core/ops/focal_loss/focal_loss.h"
#include "tests/support/errors.h"
#include "tests/support/gradients.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::focal_loss {
namespace {

/// Classes from -2, ignored, to the last one.
at::Tensor noise_classes(int64_t anchors, int64_t classes) { return at::arange(anchors).remainder(classes + 2) - 2; }

TEST(FocalLoss, WeighsTheCrossEntropyByWhatIsMissing) {
  // A probability of 3 / 4, for an object and for background.
  const at::Tensor logits = at::full({2}, std::log(3.0), at::kDouble), targets = at::tensor({1.0, 0.0}, at::kDouble);
  const at::Tensor loss = ops::sigmoid_focal_loss(logits, targets, 0.25, 2);
  EXPECT_NEAR(loss[0].item<double>(), 0.25 / 16 * std::log(4.0 / 3), 1e-15);
  EXPECT_NEAR(loss[1].item<double>(), 0.75 * 9 / 16 * std::log(4.0), 1e-15);
  const at::Tensor unweighted = ops::sigmoid_focal_loss(logits, targets, -1, 0);
  EXPECT_NEAR(unweighted[1].item<double>(), std::log(4.0), 1e-15);
}

TEST(FocalLoss, HasTheGradientOfItsDifferences) {
  const at::Tensor targets = at::arange(20, at::kDouble).remainder(3).eq(0).to(at::kDouble);
  for (const double gamma : {0.0, 0.5, 1.5, 2.0}) {
    expect_gradient_of_differences(
        [&](const at::Tensor& logits) { return ops::sigmoid_focal_loss(logits, targets, 0.25, gamma); },
        noise_tensor({20}, 1, at::kDouble, 3));
  }
}

TEST(FocalLoss, HasFiniteGradientsWhereProbabilitiesAreNoLongerBetweenZeroAndOne) {
  for (const double gamma : {0.0, 0.5, 2.0}) {
    const at::Tensor logits = leaf(at::tensor({-300.0, 300.0, -300.0, 300.0}), at::kFloat);
    const at::Tensor loss = ops::sigmoid_focal_loss(logits, at::tensor({0.0f, 0.0f, 1.0f, 1.0f}), 0.25, gamma);
    EXPECT_TRUE(gradients_of(loss.sum(), at::ones({}), {logits})[0].isfinite().all().item<bool>()) << gamma;
    const at::Tensor sum =
        ops::sigmoid_focal_loss_sum(logits.view({2, 2}), at::tensor({-1, 1}, at::kLong), 0.25, gamma);
    EXPECT_TRUE(gradients_of(sum, at::ones({}), {logits})[0].isfinite().all().item<bool>()) << gamma;
  }
}

TEST(FocalLossSumByHand, SkipsIgnoredAnchors) {
  const at::Tensor logits = leaf(noise_tensor({3, 5}, 1), at::kFloat);
  const at::Tensor sum = ops::sigmoid_focal_loss_sum(logits, at::full({3}, -2, at::kLong), 0.25, 2);
  EXPECT_EQ(sum.item<float>(), 0.0f);
  EXPECT_TRUE(gradients_of(sum, at::ones({}), {logits})[0].equal(at::zeros({3, 5})));
}

class FocalLossSum : public testing::TestWithParam<std::tuple<int64_t, int64_t, double>> {
 protected:
  int64_t anchors() const { return std::get<0>(GetParam()); }
  int64_t classes() const { return std::get<1>(GetParam()); }
  double gamma() const { return std::get<2>(GetParam()); }
  at::Tensor logits() const { return noise_tensor({anchors(), classes()}, 1, at::kFloat, 4); }
  at::Tensor exact(const at::Tensor& logits) const {
    return ops::sigmoid_focal_loss_sum_reference(logits, noise_classes(anchors(), classes()), 0.25, gamma());
  }
  at::Tensor sum(const at::Tensor& logits) const {
    return ops::sigmoid_focal_loss_sum(logits, noise_classes(anchors(), classes()), 0.25, gamma());
  }
};

TEST_P(FocalLossSum, AgreesWithDouble) {
  const at::Tensor fast = leaf(logits(), at::kFloat), exact = leaf(logits(), at::kDouble);
  const at::Tensor sum = this->sum(fast), expected = this->exact(exact);
  EXPECT_EQ(sum.scalar_type(), at::kFloat);
  // float32's exponential and logarithm; sums of a row in float32.
  expect_close(sum, expected, 1e-6, "sum");
  // An upstream gradient that is not 1.
  const auto gradients = gradients_of(sum, at::scalar_tensor(0.25), {fast}),
             wanted = gradients_of(expected, at::scalar_tensor(0.25), {exact});
  expect_close(gradients[0], wanted[0], 1e-6, "gradient");
}

TEST_P(FocalLossSum, IsTakenInFloat32OfBfloat16) {
  const at::Tensor rounded = leaf(logits(), at::kBFloat16), exact = leaf(rounded, at::kDouble);
  const at::Tensor sum = this->sum(rounded), expected = this->exact(exact);
  EXPECT_EQ(sum.scalar_type(), at::kFloat);
  expect_close(sum, expected, 1e-6, "sum");
  const auto gradients = gradients_of(sum, at::scalar_tensor(1.0), {rounded}),
             wanted = gradients_of(expected, at::scalar_tensor(1.0), {exact});
  EXPECT_EQ(gradients[0].scalar_type(), at::kBFloat16);
  // The gradient is rounded once, by half of the last of eight bits.
  expect_close(gradients[0], wanted[0], 0x1p-8, "gradient");
}

TEST_P(FocalLossSum, DoesNotDependOnTheNumberOfThreads) {
  const auto result = [&] { return sum(logits()); };
  EXPECT_TRUE(on_threads(1, result).equal(on_threads(3, result)));
}

TEST_P(FocalLossSum, TakesTheReferencePathBitForBitInItsScope) {
  const ops::ReferenceScope scope(true);
  EXPECT_TRUE(sum(logits()).equal(exact(logits())));
}

INSTANTIATE_TEST_SUITE_P(Shapes, FocalLossSum,
                         testing::Combine(testing::Values<int64_t>(1, 255, 1000),
                                          testing::Values<int64_t>(1, 3, 16, 80, 91), testing::Values(0.0, 1.5, 2.0)));

TEST(FocalLossSumByHand, IsZeroWithoutAnchors) {
  const at::Tensor logits = leaf(at::zeros({0, 80}), at::kFloat);
  const at::Tensor sum = ops::sigmoid_focal_loss_sum(logits, at::zeros({0}, at::kLong), 0.25, 2);
  EXPECT_EQ(sum.item<float>(), 0.0f);
  EXPECT_EQ(gradients_of(sum, at::ones({}), {logits})[0].sizes(), at::IntArrayRef({0, 80}));
}

TEST(FocalLossSumByHand, IsInfiniteBeyondTheNumbersOfFloat32) {
  const at::Tensor sum = ops::sigmoid_focal_loss_sum(at::full({1, 32}, 3e38), at::full({1}, -1, at::kLong), 0.25, 0);
  EXPECT_TRUE(sum.isinf().item<bool>());
}

TEST(FocalLossSumByHand, RefusesWhatDoesNotFit) {
  const at::Tensor logits = at::zeros({2, 3}), classes = at::zeros({2}, at::kLong);
  const auto sum = [&](const at::Tensor& anchors_classes, double alpha, double gamma) {
    return code_of([&] { ops::sigmoid_focal_loss_sum(logits, anchors_classes, alpha, gamma); });
  };
  EXPECT_EQ(sum(at::tensor({0, 3}, at::kLong), 0.25, 2), "LABEL_OUT_OF_RANGE");
  EXPECT_EQ(sum(at::tensor({0, -3}, at::kLong), 0.25, 2), "LABEL_OUT_OF_RANGE");
  EXPECT_EQ(sum(at::zeros({3}, at::kLong), 0.25, 2), "SHAPE_MISMATCH");
  EXPECT_EQ(sum(at::zeros({2}), 0.25, 2), "DTYPE_MISMATCH");
  EXPECT_EQ(sum(classes, 1.5, 2), "INVALID_ARGUMENT");
  EXPECT_EQ(sum(classes, 0.25, -1), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::sigmoid_focal_loss(logits, at::zeros({3, 2}), 0.25, 2); }), "SHAPE_MISMATCH");
}

}  // namespace
}  // namespace reviewkd::tests::focal_loss
