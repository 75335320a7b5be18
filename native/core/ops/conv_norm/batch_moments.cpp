#include "core/ops/conv_norm/batch_moments.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"

namespace reviewkd::ops {
namespace {

at::Tensor tensor_of(const std::vector<float>& values) { return at::tensor(values, at::kFloat); }

void check_values(int64_t values) {
  if (values != 1) return;
  fail(ErrorCode::kBatchTooSmall,
       "invalid batch: expected at least 2 values per channel for training, received 1. Batch normalization over a "
       "single value is undefined; use more or larger images.");
}

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

BatchMoments moments_of_processes(const BatchMoments& own, StatisticsExchange* exchange) {
  if (exchange == nullptr) return own;
  const size_t channels = own.mean.size();
  std::vector<double> values = {static_cast<double>(own.count)};
  values.insert(values.end(), own.mean.begin(), own.mean.end());
  values.insert(values.end(), own.variance.begin(), own.variance.end());
  const at::Tensor rows = rows_of_processes(values, *exchange);
  // Calls body(values per channel, means, variances) for each process.
  const auto each_process = [&](const auto& body) {
    for (int64_t process = 0; process < rows.size(0); ++process) {
      const double* row = rows.const_data_ptr<double>() + process * rows.size(1);
      body(row[0], row + 1, row + 1 + channels);
    }
  };
  double count = 0.0;
  BatchMoments all{0, std::vector<double>(channels, 0.0), std::vector<double>(channels, 0.0), exchange};
  each_process([&](double share, const double* mean, const double*) {
    count += share;
    for (size_t c = 0; c < channels; ++c) all.mean[c] += share * mean[c];
  });
  all.count = static_cast<int64_t>(count);
  check_values(all.count);
  for (double& mean : all.mean) mean /= count;
  each_process([&](double share, const double* mean, const double* variance) {
    for (size_t c = 0; c < channels; ++c) {
      const double distance = mean[c] - all.mean[c];
      all.variance[c] += share * (variance[c] + distance * distance);
    }
  });
  for (double& variance : all.variance) variance /= count;
  return all;
}

void require_several_values(int64_t values) {
  if (statistics_exchange() == nullptr) check_values(values);
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
                                             const NormalizedBatch& batch) {
  const auto channels = static_cast<size_t>(sums.channels);
  std::vector<double> own(2 * channels, 0.0);  // Σ g, then Σ g · (x - mean)
  for (size_t c = 0; c < channels; ++c) {
    for (int64_t n = 0; n < sums.images; ++n) {
      own[c] += sums.sum(n)[c];
      own[channels + c] += sums.product(n)[c];
    }
  }
  const std::vector<double> all = sum_of_processes(own, batch.exchange);
  const auto count = static_cast<double>(batch.count);
  for (size_t c = 0; c < channels; ++c) {
    const double one_over_deviation = inverse[c];
    const double factor = gamma.const_data_ptr<float>()[c] * one_over_deviation;
    const double slope = -factor * one_over_deviation * one_over_deviation * all[channels + c] / count;
    a.push_back(static_cast<float>(factor));
    b.push_back(static_cast<float>(slope));
    k.push_back(static_cast<float>(-factor * all[c] / count));
    gamma_sums.push_back(static_cast<float>(own[channels + c] * one_over_deviation));
    beta_sums.push_back(static_cast<float>(own[c]));
  }
}

at::Tensor NormalizationGradient::gamma_gradient() const { return tensor_of(gamma_sums); }
at::Tensor NormalizationGradient::beta_gradient() const { return tensor_of(beta_sums); }

}  // namespace reviewkd::ops
