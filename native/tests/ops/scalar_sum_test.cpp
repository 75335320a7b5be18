// Weighted sums of scalars in float64.
#include <gtest/gtest.h>

#include "core/ops/scalar_sum/scalar_sum.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::scalar_sum {
namespace {

TEST(ScalarSum, AddsWeightedTermsInDouble) {
  const std::vector<at::Tensor> terms = {at::scalar_tensor(1.5f), at::scalar_tensor(-2.0f),
                                         at::scalar_tensor(0.125, at::kDouble)};
  const at::Tensor sum = ops::scalar_sum(terms, {0.1, 0.2, 0.3});
  EXPECT_EQ(sum.scalar_type(), at::kDouble);
  EXPECT_DOUBLE_EQ(sum.item<double>(), 0.15 - 0.4 + 0.0375);
}

TEST(ScalarSum, GivesEachTermItsWeightAsGradient) {
  const at::Tensor first = at::scalar_tensor(1.0f).requires_grad_(true),
                   second = at::scalar_tensor(2.0, at::kDouble).requires_grad_(true);
  const auto gradients =
      gradients_of(ops::scalar_sum({first, second}, {0.25, 3.0}), at::scalar_tensor(2.0), {first, second});
  EXPECT_EQ(gradients[0].scalar_type(), at::kFloat);
  EXPECT_EQ(gradients[0].item<float>(), 0.5f);
  EXPECT_EQ(gradients[1].item<double>(), 6.0);
}

TEST(ScalarSum, KeepsDigitsThatFloat32Loses) {
  const at::Tensor small = at::scalar_tensor(1.0f), large = at::scalar_tensor(0x1p30f);
  EXPECT_EQ(ops::scalar_sum({large, small}, {1.0, 1.0}).item<double>(), 0x1p30 + 1);
}

}  // namespace
}  // namespace reviewkd::tests::scalar_sum
