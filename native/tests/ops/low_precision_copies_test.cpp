// Parameters in bfloat16 alongside their float32 values.
#include <gtest/gtest.h>

#include "core/ops/low_precision_copies/low_precision_copies.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::low_precision_copies {
namespace {

TEST(LowPrecisionCopies, RoundEachParameterOnceItChanged) {
  at::Tensor parameter = noise_tensor({3, 4, 2, 2}, 1);
  ops::LowPrecisionCopies copies({parameter});
  auto* const copy = copies.find(parameter);
  ASSERT_NE(copy, nullptr);
  EXPECT_FALSE(copy->values.defined());
  copies.refresh();
  EXPECT_TRUE(copy->values.equal(parameter.to(at::kBFloat16)));
  EXPECT_EQ(copy->values.strides(), parameter.strides());

  // A current copy is left as it is.
  copy->values.zero_();
  copies.refresh();
  EXPECT_TRUE(copy->values.equal(at::zeros_like(copy->values)));
  parameter.add_(1);
  copies.refresh();
  EXPECT_TRUE(copy->values.equal(parameter.to(at::kBFloat16)));
}

TEST(LowPrecisionCopies, TakeTheOptimizersWordForCurrentValues) {
  at::Tensor parameter = noise_tensor({4}, 1);
  ops::LowPrecisionCopies copies({parameter});
  copies.refresh();
  parameter.add_(1);
  copies.mark_current();
  copies.refresh();
  EXPECT_FALSE(copies.find(parameter)->values.equal(parameter.to(at::kBFloat16)));
}

TEST(LowPrecisionCopies, AreFoundInTheirScopeForBfloat16Alone) {
  const at::Tensor parameter = noise_tensor({4}, 1), other = noise_tensor({4}, 2);
  ops::LowPrecisionCopies copies({parameter});
  EXPECT_EQ(ops::low_precision_copy(parameter, at::kBFloat16), nullptr);
  {
    const ops::LowPrecisionScope scope(&copies);
    const ops::LowPrecisionScope unchanged(nullptr);
    EXPECT_EQ(ops::low_precision_copy(parameter, at::kBFloat16), copies.find(parameter));
    EXPECT_EQ(ops::low_precision_copy(parameter, at::kFloat), nullptr);
    EXPECT_EQ(ops::low_precision_copy(other, at::kBFloat16), nullptr);
  }
  EXPECT_EQ(ops::low_precision_copy(parameter, at::kBFloat16), nullptr);
}

TEST(LowPrecisionCopies, SumGradientsInFloat32) {
  const at::Tensor parameter = at::zeros({1});
  ops::LowPrecisionCopies copies({parameter});
  auto& copy = *copies.find(parameter);
  // 256 + 1 is no value of bfloat16.
  ops::add_gradient(copy, at::full({1}, 256.0, at::kBFloat16));
  EXPECT_EQ(copy.gradient.scalar_type(), at::kBFloat16);
  ops::add_gradient(copy, at::ones({1}, at::kBFloat16));
  EXPECT_EQ(copy.gradient.item<float>(), 257.0f);
  copies.clear_gradients();
  EXPECT_FALSE(copy.gradient.defined());
}

}  // namespace
}  // namespace reviewkd::tests::low_precision_copies
