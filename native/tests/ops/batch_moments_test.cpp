// Statistics of a batch, combined from those of its images.
#include <gtest/gtest.h>

#include <cmath>

#include "core/ops/conv_norm/batch_moments.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::batch_moments {
namespace {

TEST(BatchMoments, CombineImagesWithDifferentMeans) {
  // One channel: the values 1, 3 and 5, 11. Mean 5, squared distances 16 + 4 + 0 + 36.
  ops::ImageMoments images(2, 1);
  *images.mean(0) = 2;
  *images.m2(0) = 2;
  *images.mean(1) = 8;
  *images.m2(1) = 18;
  const auto moments = ops::combined(images, 2);
  EXPECT_EQ(moments.count, 4);
  EXPECT_DOUBLE_EQ(moments.mean[0], 5);
  EXPECT_DOUBLE_EQ(moments.variance[0], 14);
}

TEST(BatchMoments, AgreeWithTheVarianceOfAllValues) {
  constexpr int64_t kImages = 5, kChannels = 3, kPixels = 7;
  const at::Tensor x = noise_tensor({kImages, kChannels, kPixels}, 1).to(at::kDouble) + 100;
  ops::ImageMoments images(kImages, kChannels);
  for (int64_t n = 0; n < kImages; ++n) {
    for (int64_t c = 0; c < kChannels; ++c) {
      const at::Tensor pixels = x[n][c];
      images.mean(n)[c] = pixels.mean().item<float>();
      images.m2(n)[c] = (pixels - pixels.mean()).square().sum().item<float>();
    }
  }
  const auto moments = ops::combined(images, kPixels);
  const at::Tensor values = x.transpose(0, 1).reshape({kChannels, -1});
  for (int64_t c = 0; c < kChannels; ++c) {
    // Means near 100 are held in float.
    EXPECT_NEAR(moments.mean[static_cast<size_t>(c)], values[c].mean().item<double>(), 1e-5);
    EXPECT_NEAR(moments.variance[static_cast<size_t>(c)], values[c].var(false).item<double>(), 1e-5);
  }
}

TEST(BatchMoments, GiveAScaleAndAShift) {
  const ops::BatchMoments moments{4, {5.0, -1.0}, {14.0, 0.25}};
  const ops::BatchNormCoefficients normalizing(moments, at::tensor({2.0f, 1.0f}), at::tensor({1.0f, 0.0f}), 2.0);
  EXPECT_FLOAT_EQ(normalizing.mean()[0], 5);
  EXPECT_FLOAT_EQ(normalizing.inverse()[0], 0.25);
  EXPECT_FLOAT_EQ(normalizing.scale()[0], 0.5);
  EXPECT_FLOAT_EQ(normalizing.shift()[0], 1 - 2.5);
  EXPECT_FLOAT_EQ(normalizing.inverse()[1], 1 / 1.5f);
  EXPECT_FLOAT_EQ(normalizing.shift()[1], 1 / 1.5f);
}

TEST(NormalizationGradient, AddsUpTheSumsOfImages) {
  ops::ImageSums sums(2, 1);
  *sums.sum(0) = 1;
  *sums.sum(1) = 3;
  *sums.product(0) = 2;
  *sums.product(1) = 6;
  const float inverse = 0.5f;
  const ops::NormalizationGradient gradient(sums, &inverse, at::tensor({3.0f}), {.count = 8});
  EXPECT_FLOAT_EQ(gradient.beta_gradient().item<float>(), 4);
  EXPECT_FLOAT_EQ(gradient.gamma_gradient().item<float>(), 8 * 0.5f);
  EXPECT_FLOAT_EQ(gradient.a[0], 1.5f);
  // -gamma · inverse³ · product / count, and -gamma · inverse · sum / count, with 8 values.
  EXPECT_FLOAT_EQ(gradient.b[0], -3 * 0.125f * 8 / 8);
  EXPECT_FLOAT_EQ(gradient.k[0], -1.5f * 4 / 8);
}

}  // namespace
}  // namespace reviewkd::tests::batch_moments
