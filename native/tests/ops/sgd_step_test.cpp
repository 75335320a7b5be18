// One parameter's step of stochastic gradient descent, compared with a step in double.
#include <gtest/gtest.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/sgd/sgd_step.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::sgd_step {
namespace {

struct State {
  explicit State(at::ScalarType type)
      : parameter(noise_tensor({7, 3, 3, 3}, 1, type)),
        gradient(noise_tensor({7, 3, 3, 3}, 2, type)),
        buffer(noise_tensor({7, 3, 3, 3}, 3, type)) {}

  at::Tensor parameter, gradient, buffer;
};

class SgdStepTest : public testing::TestWithParam<bool> {
 protected:
  ops::SgdStep step() const { return {.rate = 0.1, .momentum = 0.9, .decay = 5e-4, .nesterov = GetParam()}; }

  static void expect_equal(const State& actual, const State& expected, double tolerance) {
    expect_close(actual.parameter, expected.parameter, tolerance, "parameter");
    expect_close(actual.buffer, expected.buffer, tolerance, "momentum buffer");
  }
};

TEST_P(SgdStepTest, AgreesWithDouble) {
  State fast(at::kFloat), exact(at::kDouble);
  for (int i = 0; i < 5; ++i) {
    ops::sgd_step(fast.parameter, fast.gradient, fast.buffer, step());
    ops::sgd_step_reference(exact.parameter, exact.gradient, exact.buffer, step());
  }
  expect_equal(fast, exact, 1e-6);
}

TEST_P(SgdStepTest, ReadsGradientsInAnotherMemoryOrder) {
  State ordered(at::kFloat), permuted(at::kFloat);
  permuted.gradient = permuted.gradient.contiguous(at::MemoryFormat::Contiguous);
  ASSERT_NE(permuted.gradient.strides(), permuted.parameter.strides());
  ops::sgd_step(ordered.parameter, ordered.gradient, ordered.buffer, step());
  ops::sgd_step(permuted.parameter, permuted.gradient, permuted.buffer, step());
  expect_equal(permuted, ordered, 1e-6);
}

TEST_P(SgdStepTest, TakesTheReferencePathBitForBitInItsScope) {
  const ops::ReferenceScope scope(true);
  State fast(at::kFloat), reference(at::kFloat);
  ops::sgd_step(fast.parameter, fast.gradient, fast.buffer, step());
  ops::sgd_step_reference(reference.parameter, reference.gradient, reference.buffer, step());
  expect_equal(fast, reference, 0);
}

TEST_P(SgdStepTest, MarksWhatItChanges) {
  State state(at::kFloat);
  const auto parameter = state.parameter._version(), buffer = state.buffer._version(),
             gradient = state.gradient._version();
  ops::sgd_step(state.parameter, state.gradient, state.buffer, step());
  EXPECT_GT(state.parameter._version(), parameter);
  EXPECT_GT(state.buffer._version(), buffer);
  EXPECT_EQ(state.gradient._version(), gradient);
}

INSTANTIATE_TEST_SUITE_P(Momentum, SgdStepTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "nesterov" : "heavy_ball"; });

TEST(SgdStepByHand, DecaysAccumulatesAndSteps) {
  at::Tensor parameter = at::ones({1}), buffer = at::ones({1});
  // g = 2 + 0.5 · 1 = 2.5; v = 0.5 · 1 + 2.5 = 3; p = 1 - 0.1 · 3 = 0.7.
  ops::sgd_step(parameter, at::full({1}, 2.0), buffer, {.rate = 0.1, .momentum = 0.5, .decay = 0.5, .nesterov = false});
  EXPECT_FLOAT_EQ(buffer.item<float>(), 3.0f);
  EXPECT_FLOAT_EQ(parameter.item<float>(), 0.7f);
}

}  // namespace
}  // namespace reviewkd::tests::sgd_step
