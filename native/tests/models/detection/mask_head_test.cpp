// Masks of one class for each region, compared with PyTorch's layers for all classes.
#include <gtest/gtest.h>

#include "core/models/detection/heads/mask_head.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::mask_head {
namespace {

using namespace detection;  // NOLINT(google-build-using-namespace)

constexpr int64_t kChannels = 32, kClasses = 5, kSide = 6;

MaskPredictor predictor_of(at::ScalarType type) {
  MaskPredictor predictor(kChannels, kClasses);
  predictor->to(type);
  int64_t seed = 100;
  const at::NoGradGuard no_gradient;
  for (at::Tensor& parameter : predictor->parameters())
    parameter.copy_(noise_tensor(parameter.sizes(), ++seed, type, 0.2));
  return predictor;
}

at::Tensor of_all_classes(const MaskPredictor& predictor, const at::Tensor& x) {
  const auto parameters = predictor->named_parameters();
  const at::Tensor upsampled =
      at::conv_transpose2d(x, parameters["conv5_mask.weight"], parameters["conv5_mask.bias"], 2).relu();
  return at::conv2d(upsampled, parameters["mask_fcn_logits.weight"], parameters["mask_fcn_logits.bias"]);
}

class MaskPredictors : public testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(MaskPredictors, DrawTheMaskOfEachRegionsClass) {
  const at::Tensor classes = at::tensor(GetParam(), at::kLong);
  const auto regions = classes.size(0);
  for (const auto type : {at::kFloat, at::kDouble}) {
    // Two sums of 32 products after each other.
    const double tolerance = type == at::kFloat ? 1e-5 : 1e-13;
    MaskPredictor predictor = predictor_of(type);
    const at::Tensor x = leaf(noise_tensor({regions, kChannels, kSide, kSide}, 3, type), type);
    const at::Tensor masks = predictor(x, classes);
    const at::Tensor wanted = of_all_classes(predictor, x).index({at::arange(regions), classes});
    expect_close(masks, wanted, tolerance, "masks");
    std::vector<at::Tensor> inputs = {x};
    for (const at::Tensor& parameter : predictor->parameters()) inputs.push_back(parameter);
    const at::Tensor upstream = noise_tensor(masks.sizes(), 5, type);
    const auto actual = gradients_of(masks, upstream, inputs), expected = gradients_of(wanted, upstream, inputs);
    for (size_t i = 0; i < inputs.size(); ++i) expect_close(actual[i], expected[i], tolerance, "gradient");
  }
}

INSTANTIATE_TEST_SUITE_P(Regions, MaskPredictors,
                         testing::Values(std::vector<int64_t>{1, 4, 1, 2}, std::vector<int64_t>{3},
                                         std::vector<int64_t>{}));

TEST(MaskLoss, IsZeroWithAGradientWithoutRegions) {
  const at::Tensor logits = leaf(at::zeros({0, 4, 4}), at::kFloat);
  const at::Tensor loss = mask_loss(logits, at::zeros({0, 4, 4}));
  EXPECT_EQ(loss.item<float>(), 0.0f);
  EXPECT_EQ(gradients_of(loss, at::ones({}), {logits})[0].sizes(), logits.sizes());
}

}  // namespace
}  // namespace reviewkd::tests::mask_head
