// Attention based fusion, compared with its reference in double.
#include <gtest/gtest.h>

#include "core/ops/attention_fusion/attention_fusion.h"
#include "core/ops/backend/dispatch.h"
#include "core/training/state/precision.h"
#include "tests/support/tensors.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::attention_fusion {
namespace {

struct FusionCase {
  const char* name;
  int64_t images, channels, height, width, y_height, y_width;
};

std::ostream& operator<<(std::ostream& out, const FusionCase& fusion) { return out << fusion.name; }

// Those of test/unit/ops/review-operations.test.ts, which runs them on devices as well.
const FusionCase kFusions[] = {
    {"twice_the_size", 3, 64, 8, 8, 4, 4},
    {"from_one_pixel", 2, 32, 7, 6, 1, 1},
    {"images_in_several_parts", 2, 64, 40, 44, 20, 11},
    {"one_size", 2, 16, 5, 3, 5, 3},
    {"sizes_that_do_not_divide", 2, 16, 7, 5, 4, 3},
    {"channels_that_fill_no_vector", 2, 12, 6, 6, 3, 3},
    {"many_channels", 2, 512, 6, 6, 3, 3},
    {"different_factors", 2, 24, 6, 15, 3, 5},
};

struct Maps {
  Maps(const FusionCase& fusion, at::ScalarType type)
      : x(leaf(noise_tensor({fusion.images, fusion.channels, fusion.height, fusion.width}, 1), type)),
        y(leaf(noise_tensor({fusion.images, fusion.channels, fusion.y_height, fusion.y_width}, 2), type)),
        weight(leaf(noise_tensor({2, 2 * fusion.channels, 1, 1}, 3, at::kFloat, 0.2), type)),
        bias(leaf(noise_tensor({2}, 4), type)) {}

  std::vector<at::Tensor> inputs() const { return {x, y, weight, bias}; }

  at::Tensor x, y, weight, bias;
};

class AttentionFusion : public testing::TestWithParam<FusionCase> {
 protected:
  static void expect_within(double tolerance) {
    Maps fast(GetParam(), at::kFloat), exact(GetParam(), at::kDouble);
    const at::Tensor output = ops::attention_fusion(fast.x, fast.y, fast.weight, fast.bias);
    const at::Tensor expected = ops::attention_fusion_reference(exact.x, exact.y, exact.weight, exact.bias);
    expect_close(output, expected, tolerance, "output");
    const at::Tensor upstream = noise_tensor(output.sizes(), 5);
    const auto gradients = gradients_of(output, upstream, fast.inputs()),
               wanted = gradients_of(expected, upstream.to(at::kDouble), exact.inputs());
    const char* const names[] = {"gradient of x", "gradient of y", "gradient of weight", "gradient of bias"};
    for (size_t i = 0; i < gradients.size(); ++i) expect_close(gradients[i], wanted[i], tolerance, names[i]);
  }
};

TEST_P(AttentionFusion, AgreesWithDouble) { expect_within(3e-6); }

TEST_P(AttentionFusion, AgreesToTheDigitsThatBfloat16Has) {
  const PrecisionScope scope(Precision::kBfloat16, at::kCPU);
  // 2⁻⁸ for each rounding of a map.
  expect_within(4 * 0x1p-8);
}

TEST_P(AttentionFusion, IsTheSameWithoutGradients) {
  Maps maps(GetParam(), at::kFloat);
  const at::Tensor output = ops::attention_fusion(maps.x, maps.y, maps.weight, maps.bias);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(output.equal(ops::attention_fusion(maps.x, maps.y, maps.weight, maps.bias).values()));
}

TEST_P(AttentionFusion, TakesTheReferencePathBitForBitInItsScope) {
  const ops::ReferenceScope scope(true);
  Maps maps(GetParam(), at::kFloat);
  EXPECT_TRUE(ops::attention_fusion(maps.x, maps.y, maps.weight, maps.bias)
                  .values()
                  .equal(ops::attention_fusion_reference(maps.x, maps.y, maps.weight, maps.bias)));
}

INSTANTIATE_TEST_SUITE_P(Fusions, AttentionFusion, testing::ValuesIn(kFusions),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(AttentionFusionInParts, DoesNotDependOnTheNumberOfThreads) {
  const auto step = [] {
    Maps maps({"", 1, 64, 80, 64, 40, 32}, at::kFloat);
    const at::Tensor output = ops::attention_fusion(maps.x, maps.y, maps.weight, maps.bias);
    auto results = gradients_of(output, noise_tensor(output.sizes(), 5), maps.inputs());
    results.push_back(output);
    return results;
  };
  const auto alone = on_threads(1, step), together = on_threads(3, step);
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(together[i].equal(alone[i])) << "result " << i;
}

TEST(AttentionFusionByHand, WeighsOnePixel) {
  // z₀ = sigmoid(1 · 2 + 0.5 · 4 - 4) = 0.5 and z₁ = sigmoid(0) = 0.5: the mean of both.
  const at::Tensor x = at::zeros({1, 1, 1, 1}) + 2, y = at::zeros({1, 1, 1, 1}) + 4;
  const at::Tensor weight = at::tensor({1.0f, 0.5f, 0.0f, 0.0f}).view({2, 2, 1, 1}), bias = at::tensor({-4.0f, 0.0f});
  EXPECT_FLOAT_EQ(ops::attention_fusion(x, y, weight, bias).values().item<float>(), 3.0f);
}

}  // namespace
}  // namespace reviewkd::tests::attention_fusion
