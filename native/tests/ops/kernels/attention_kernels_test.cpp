// native/core/ops/attention_fusion/kernel.inl of each instruction set, compared with the formulas of attention based
// fusion in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::attention_kernels {
namespace {

/// An image's maps: x [rows · down, columns · right, channels] and y [rows, columns, channels].
struct Image {
  int64_t rows, columns, down, right, channels;

  int64_t width() const { return columns * right; }
  int64_t pixels() const { return rows * down * width(); }
  int64_t y_pixel(int64_t pixel) const { return pixel / width() / down * columns + pixel % width() / right; }
};

constexpr Image kImages[] = {{1, 1, 1, 1, 16}, {4, 4, 1, 1, 64}, {2, 3, 2, 2, 32}, {3, 2, 4, 1, 48}};

/// The maps of an image with everything that both directions read.
struct Inputs {
  Inputs(bool is_bfloat16, const Image& image)
      : image(image),
        x(Values::noise(is_bfloat16, image.pixels() * image.channels, 1)),
        y(Values::noise(is_bfloat16, image.rows * image.columns * image.channels, 2)),
        gradient(Values::noise(is_bfloat16, image.pixels() * image.channels, 3)),
        weights(noise_floats(4 * image.channels, 4)),
        bias(noise_floats(2, 5)),
        z(static_cast<size_t>(2 * image.pixels())),
        out(is_bfloat16, x.size()) {
    for (float& weight : weights) weight /= static_cast<float>(image.channels);
  }

  ops::Attention view() {
    return {.x = x.data(),
            .y = y.data(),
            .weights = weights.data(),
            .rows = image.rows,
            .columns = image.columns,
            .down = image.down,
            .right = image.right,
            .channels = image.channels};
  }

  double weight(int64_t k, int64_t half, int64_t c) const {
    return weights[static_cast<size_t>((2 * k + half) * image.channels + c)];
  }
  double x_at(int64_t pixel, int64_t c) const { return x[pixel * image.channels + c]; }
  double y_at(int64_t pixel, int64_t c) const { return y[image.y_pixel(pixel) * image.channels + c]; }
  double gradient_at(int64_t pixel, int64_t c) const { return gradient[pixel * image.channels + c]; }

  double attention(int64_t pixel, int64_t k) const {
    double sum = bias[static_cast<size_t>(k)];
    for (int64_t c = 0; c < image.channels; ++c)
      sum += weight(k, 0, c) * x_at(pixel, c) + weight(k, 1, c) * y_at(pixel, c);
    return 1 / (1 + std::exp(-sum));
  }
  /// The gradient of the sum under the sigmoid.
  double slope(int64_t pixel, int64_t k) const {
    double sum = 0;
    for (int64_t c = 0; c < image.channels; ++c)
      sum += gradient_at(pixel, c) * (k == 0 ? x_at(pixel, c) : y_at(pixel, c));
    const double value = attention(pixel, k);
    return sum * value * (1 - value);
  }

  Image image;
  Values x, y, gradient;
  std::vector<float> weights, bias, z;
  Values out;
};

class AttentionKernels : public KernelTest {
 protected:
  const ops::AttentionKernels& kernels() const { return GetParam().maps->attention; }
};

TEST_P(AttentionKernels, WeighBothMapsByTheirAttention) {
  for (const auto& image : kImages) {
    Inputs inputs(is_bfloat16(), image);
    kernels().forward(inputs.view(), inputs.bias.data(), inputs.z.data(), inputs.out.data());
    for (int64_t pixel = 0; pixel < image.pixels(); ++pixel) {
      const double z0 = inputs.attention(pixel, 0), z1 = inputs.attention(pixel, 1);
      ASSERT_NEAR(inputs.z[static_cast<size_t>(2 * pixel)], z0, 1e-6);
      ASSERT_NEAR(inputs.z[static_cast<size_t>(2 * pixel + 1)], z1, 1e-6);
      for (int64_t c = 0; c < image.channels; ++c) {
        const double expected = inputs.x_at(pixel, c) * z0 + inputs.y_at(pixel, c) * z1;
        ASSERT_NEAR(inputs.out[pixel * image.channels + c], expected, tolerance() * std::max(1.0, std::abs(expected)))
            << pixel << ", " << c;
      }
    }
  }
}

TEST_P(AttentionKernels, MergeAnyPartToTheSameBits) {
  for (const auto& image : kImages) {
    Inputs inputs(is_bfloat16(), image);
    kernels().forward(inputs.view(), inputs.bias.data(), inputs.z.data(), inputs.out.data());
    const int64_t first = image.pixels() / 3, count = image.pixels() - first;
    Values part(is_bfloat16(), count * image.channels);
    ops::Attention view = inputs.view();
    view.x = inputs.x.at(first * image.channels);
    kernels().merge(view, inputs.z.data(), first, count, part.data());
    for (int64_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], inputs.out[first * image.channels + i]) << i;
  }
}

TEST_P(AttentionKernels, DifferentiateByBothMaps) {
  for (const auto& image : kImages) {
    Inputs inputs(is_bfloat16(), image);
    kernels().forward(inputs.view(), inputs.bias.data(), inputs.z.data(), inputs.out.data());
    std::vector<float> slopes(inputs.z.size()), weight_sums(inputs.weights.size()), bias_sums(2);
    Values x_gradient(is_bfloat16(), inputs.x.size()), y_gradient(is_bfloat16(), inputs.y.size());
    kernels().backward(inputs.view(), inputs.z.data(), inputs.gradient.data(), slopes.data(), x_gradient.data(),
                       y_gradient.data(), weight_sums.data(), bias_sums.data());
    std::vector<double> of_y(static_cast<size_t>(inputs.y.size()), 0.0);
    for (int64_t pixel = 0; pixel < image.pixels(); ++pixel) {
      const double slope0 = inputs.slope(pixel, 0), slope1 = inputs.slope(pixel, 1);
      const double z0 = inputs.attention(pixel, 0), z1 = inputs.attention(pixel, 1);
      for (int64_t c = 0; c < image.channels; ++c) {
        const double g = inputs.gradient_at(pixel, c);
        const double expected = g * z0 + slope0 * inputs.weight(0, 0, c) + slope1 * inputs.weight(1, 0, c);
        ASSERT_NEAR(x_gradient[pixel * image.channels + c], expected,
                    4 * tolerance() * std::max(1.0, std::abs(expected)))
            << pixel << ", " << c;
        of_y[static_cast<size_t>(image.y_pixel(pixel) * image.channels + c)] +=
            g * z1 + slope0 * inputs.weight(0, 1, c) + slope1 * inputs.weight(1, 1, c);
      }
    }
    for (int64_t i = 0; i < inputs.y.size(); ++i) {
      const double expected = of_y[static_cast<size_t>(i)];
      ASSERT_NEAR(y_gradient[i], expected, 4 * tolerance() * std::max(1.0, std::abs(expected))) << i;
    }
  }
}

TEST_P(AttentionKernels, AddUpTheGradientsOfWeightsAndBias) {
  for (const auto& image : kImages) {
    Inputs inputs(is_bfloat16(), image);
    kernels().forward(inputs.view(), inputs.bias.data(), inputs.z.data(), inputs.out.data());
    std::vector<float> slopes(inputs.z.size()), weight_sums(inputs.weights.size(), 1.0f), bias_sums(2, 2.0f);
    Values x_gradient(is_bfloat16(), inputs.x.size()), y_gradient(is_bfloat16(), inputs.y.size());
    kernels().backward(inputs.view(), inputs.z.data(), inputs.gradient.data(), slopes.data(), x_gradient.data(),
                       y_gradient.data(), weight_sums.data(), bias_sums.data());
    for (int64_t k = 0; k < 2; ++k) {
      double bias = 2;
      for (int64_t pixel = 0; pixel < image.pixels(); ++pixel) bias += inputs.slope(pixel, k);
      EXPECT_NEAR(bias_sums[static_cast<size_t>(k)], bias, 1e-5 * std::max(1.0, std::abs(bias)));
      for (int64_t c = 0; c < image.channels; ++c) {
        double of_x = 1, of_y = 1;
        for (int64_t pixel = 0; pixel < image.pixels(); ++pixel) {
          of_x += inputs.slope(pixel, k) * inputs.x_at(pixel, c);
          of_y += inputs.slope(pixel, k) * inputs.y_at(pixel, c);
        }
        ASSERT_NEAR(weight_sums[static_cast<size_t>(2 * k * image.channels + c)], of_x,
                    2e-5 * std::max(1.0, std::abs(of_x)));
        ASSERT_NEAR(weight_sums[static_cast<size_t>((2 * k + 1) * image.channels + c)], of_y,
                    2e-5 * std::max(1.0, std::abs(of_y)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, AttentionKernels, testing::ValuesIn(sets_with(&KernelSet::maps)), name_of);

}  // namespace
}  // namespace reviewkd::tests::attention_kernels
