#pragma once
// Batch statistics and gradient sums: computed per image in float and combined in double in image order, so that the
// result does not depend on the distribution of images among threads.

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/ops/conv_norm/synced/statistics_exchange.h"

namespace reviewkd::ops {

/// Mean and sum of squared deviations, [N, C] each.
class ImageMoments {
 public:
  ImageMoments(int64_t images, int64_t channels) : images(images), channels(channels), values_(2 * images * channels) {}

  float* mean(int64_t image) { return values_.data() + image * channels; }
  float* m2(int64_t image) { return values_.data() + (images + image) * channels; }

  const int64_t images;
  const int64_t channels;

 private:
  std::vector<float> values_;
};

struct BatchMoments {
  int64_t count;  // number of values per channel
  std::vector<double> mean, variance;  // [C]; the variance is divided by `count`
  StatisticsExchange* exchange = nullptr;  // if the values are those of several processes
};

/// Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
BatchMoments combined(ImageMoments& images, int64_t pixels);

/// Those of all processes, by the same formulae; the own ones without an exchange. Throws BATCH_TOO_SMALL if all
/// processes together have a single value per channel.
BatchMoments moments_of_processes(const BatchMoments& own, StatisticsExchange* exchange);

/// Requires more than one value per channel, as torch::nn::functional::batch_norm does and at::batch_norm does not. In
/// a StatisticsScope the values of all processes count, which `moments_of_processes` checks. Throws BATCH_TOO_SMALL.
void require_several_values(int64_t values);

/// scale · x + shift = gamma · (x - mean) / sqrt(variance + epsilon) + beta.
class BatchNormCoefficients {
 public:
  BatchNormCoefficients(const BatchMoments& moments, const at::Tensor& gamma, const at::Tensor& beta, double epsilon);
  /// Wraps the values of another instance.
  explicit BatchNormCoefficients(at::Tensor values) : values_(std::move(values)) {}

  /// [4, C], float32.
  const at::Tensor& values() const { return values_; }

  const float* scale() const { return row(0); }
  const float* shift() const { return row(1); }
  const float* mean() const { return row(2); }
  /// 1 / sqrt(variance + epsilon).
  const float* inverse() const { return row(3); }

 private:
  const float* row(int64_t index) const { return values_.const_data_ptr<float>() + index * values_.size(1); }

  at::Tensor values_;
};

/// Σ g and Σ g · (x - mean), [N, C] each, initially 0.
class ImageSums {
 public:
  ImageSums(int64_t images, int64_t channels)
      : images(images), channels(channels), values_(2 * images * channels, 0.0f) {}

  float* sum(int64_t image) { return values_.data() + image * channels; }
  float* product(int64_t image) { return values_.data() + (images + image) * channels; }

  const int64_t images;
  const int64_t channels;

 private:
  std::vector<float> values_;
};

/// The gradient of the normalization's input is a · g + b · (x - mean) + k; [C] each. The gradients of gamma and beta are
/// those of this process's images.
struct NormalizationGradient {
  NormalizationGradient(ImageSums& sums, const float* inverse, const at::Tensor& gamma, const NormalizedBatch& batch);

  at::Tensor gamma_gradient() const;
  at::Tensor beta_gradient() const;

  std::vector<float> a, b, k, gamma_sums, beta_sums;
};

}  // namespace reviewkd::ops
