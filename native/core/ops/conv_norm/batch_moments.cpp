#include "core/ops/conv_norm/batch_moments.h"

#include <ATen/ATen.h>

#include <cmath>

namespace reviewkd::ops {
namespace {

at::Tensor tensor_of(const std::vector<float>& values) { return at::tensor(values, at::kFloat); }

}  // namespace

BatchMoments combined(ImageMoments& images, int64_t pixels) {
  const int64_t channels = images.channels;
  BatchMoments result{images.images * pixels, std::vector<double>(channels, 0.0), std::vector<double>(channels, 0.0)};
  // All images have the same number of pixels: the mean is the mean of the images' means, and each image adds its
  // distance from it.
  for (int64_t n = 0; n < images.images; ++n) {
    const float* mean = images.mean(n);
    for (int64_t c = 0; c < channels; ++c) result.mean[c] += mean[c];
  }
  for (double& mean : result.mean) mean /= static_cast<double>(images.images);
  for (int64_t n = 0; n < images.images; ++n) {
    const float* mean = images.mean(n);
    const float* m2 = images.m2(n);
    for (int64_t c = 0; c < channels; ++c) {
      const double distance = mean[c] - result.mean[c];
      result.variance[c] += m2[c] + static_cast<double>(pixels) * distance * distance;
    }
  }
  for (double& variance : result.variance) variance /= static_cast<double>(result.count);
  return result;
}

BatchNormCoefficients::BatchNormCoefficients(const BatchMoments& moments, const at::Tensor& gamma,
                                             const at::Tensor& beta, double epsilon) {
  const auto channels = static_cast<int64_t>(moments.mean.size());
  values_ = at::empty({4, channels}, at::kFloat);
  float* const values = values_.data_ptr<float>();
  for (int64_t c = 0; c < channels; ++c) {
    const double one_over_deviation = 1.0 / std::sqrt(moments.variance[c] + epsilon);
    const double factor = gamma.const_data_ptr<float>()[c] * one_over_deviation;
    values[c] = static_cast<float>(factor);
    values[channels + c] = static_cast<float>(beta.const_data_ptr<float>()[c] - moments.mean[c] * factor);
    values[2 * channels + c] = static_cast<float>(moments.mean[c]);
    values[3 * channels + c] = static_cast<float>(one_over_deviation);
  }
}

NormalizationGradient::NormalizationGradient(ImageSums& sums, const float* inverse, const at::Tensor& gamma,
                                             int64_t pixels) {
  const double count = static_cast<double>(sums.images * pixels);
  for (int64_t c = 0; c < sums.channels; ++c) {
    double sum = 0.0;
    double product = 0.0;
    for (int64_t n = 0; n < sums.images; ++n) {
      sum += sums.sum(n)[c];
      product += sums.product(n)[c];
    }
    const double one_over_deviation = inverse[c];
    const double factor = gamma.const_data_ptr<float>()[c] * one_over_deviation;
    const double slope = -factor * one_over_deviation * one_over_deviation * product / count;
    a.push_back(static_cast<float>(factor));
    b.push_back(static_cast<float>(slope));
    k.push_back(static_cast<float>(-factor * sum / count));
    gamma_sums.push_back(static_cast<float>(product * one_over_deviation));
    beta_sums.push_back(static_cast<float>(sum));
  }
}

at::Tensor NormalizationGradient::gamma_gradient() const { return tensor_of(gamma_sums); }
at::Tensor NormalizationGradient::beta_gradient() const { return tensor_of(beta_sums); }

}  // namespace reviewkd::ops
