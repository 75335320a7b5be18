// native/core/ops/conv_norm/kernel.inl of each instruction set, compared with the formulas of batch normalization in
// double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::channel_kernels {
namespace {

struct ChannelCase {
  int64_t pixels, channels;

  int64_t values() const { return pixels * channels; }
};

// Channels that fill vectors and that do not, and more pixels than one part of a map has.
constexpr ChannelCase kCases[] = {{1, 16}, {5, 3}, {37, 24}, {64, 130}, {5000, 17}};

class ChannelKernels : public KernelTest {
 protected:
  const ops::ChannelKernels& kernels() const { return GetParam().maps->channels; }
};

TEST_P(ChannelKernels, TakeMeanAndSquaredDistancesPerChannel) {
  for (const auto& shape : kCases) {
    Values x = Values::noise(is_bfloat16(), shape.values(), 1);
    std::vector<float> mean(static_cast<size_t>(shape.channels)), m2(mean.size());
    kernels().moments(x.data(), shape.pixels, shape.channels, mean.data(), m2.data());
    for (int64_t c = 0; c < shape.channels; ++c) {
      double expected_mean = 0, expected_m2 = 0;
      for (int64_t p = 0; p < shape.pixels; ++p)
        expected_mean += x[p * shape.channels + c] / static_cast<double>(shape.pixels);
      for (int64_t p = 0; p < shape.pixels; ++p) expected_m2 += std::pow(x[p * shape.channels + c] - expected_mean, 2);
      ASSERT_NEAR(mean[static_cast<size_t>(c)], expected_mean, 2e-6) << shape.pixels << " pixels, channel " << c;
      ASSERT_NEAR(m2[static_cast<size_t>(c)], expected_m2, 1e-5 * std::max(1.0, expected_m2))
          << shape.pixels << " pixels, channel " << c;
    }
  }
}

TEST_P(ChannelKernels, KeepDigitsOfAVarianceFarFromZero) {
  // Squares of 1000 ± 0.5 would leave nothing of the variance in float.
  constexpr int64_t kPixels = 4096, kChannels = 16;
  Values x(is_bfloat16(), kPixels * kChannels);
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, 1000.0f + (i / kChannels % 2 == 0 ? 4.0f : -4.0f));
  std::vector<float> mean(kChannels), m2(kChannels);
  kernels().moments(x.data(), kPixels, kChannels, mean.data(), m2.data());
  for (size_t c = 0; c < kChannels; ++c) {
    EXPECT_NEAR(mean[c], 1000.0, 1e-2);
    EXPECT_NEAR(m2[c], 16.0 * kPixels, 1.0);
  }
}

TEST_P(ChannelKernels, NormalizeAddAndActivate) {
  for (const auto& shape : kCases) {
    Values x = Values::noise(is_bfloat16(), shape.values(), 1),
           residual = Values::noise(is_bfloat16(), shape.values(), 2);
    const auto scale = noise_floats(shape.channels, 3), shift = noise_floats(shape.channels, 4);
    for (const bool adds : {false, true}) {
      for (const bool relu : {false, true}) {
        Values out(is_bfloat16(), shape.values());
        kernels().normalize(x.data(), scale.data(), shift.data(), adds ? residual.data() : nullptr, relu, out.data(),
                            shape.pixels, shape.channels);
        for (int64_t i = 0; i < shape.values(); ++i) {
          const auto c = static_cast<size_t>(i % shape.channels);
          double expected = static_cast<double>(scale[c]) * x[i] + shift[c] + (adds ? residual[i] : 0.0);
          if (relu) expected = std::max(expected, 0.0);
          ASSERT_NEAR(out[i], expected, tolerance() * std::max(1.0, std::abs(expected))) << "value " << i;
        }
      }
    }
  }
}

TEST_P(ChannelKernels, PassNanThroughTheActivation) {
  Values x(is_bfloat16(), 16), out(is_bfloat16(), 16);
  const std::vector<float> scale(16, std::nanf("")), shift(16, 0.0f);
  kernels().normalize(x.data(), scale.data(), shift.data(), nullptr, true, out.data(), 1, 16);
  for (int64_t i = 0; i < 16; ++i) EXPECT_TRUE(std::isnan(out[i]));
}

enum class Cut { kNothing, kResult, kInput };

/// A normalized map with the gradient of its activation.
struct Maps {
  Maps(bool is_bfloat16, const ChannelCase& shape, Cut cut)
      : shape(shape),
        cut(cut),
        gradient(Values::noise(is_bfloat16, shape.values(), 1)),
        x(Values::noise(is_bfloat16, shape.values(), 2)),
        active(Values::noise(is_bfloat16, shape.values(), 3)),
        mean(noise_floats(shape.channels, 4)),
        scale(noise_floats(shape.channels, 5)),
        shift(noise_floats(shape.channels, 6)) {}

  ops::NormalizedMap view() {
    return {.gradient = gradient.data(),
            .x = x.data(),
            .mean = mean.data(),
            .active = cut == Cut::kResult ? active.data() : nullptr,
            .scale = cut == Cut::kInput ? scale.data() : nullptr,
            .shift = shift.data()};
  }

  bool passes(int64_t i) const {
    const auto c = static_cast<size_t>(i % shape.channels);
    if (cut == Cut::kResult) return active[i] > 0;
    return cut != Cut::kInput || static_cast<double>(scale[c]) * x[i] + shift[c] > 0;
  }
  /// Too close to zero for the sign of scale · x + shift to be the same in float and in double.
  bool is_undecided(int64_t i) const {
    const auto c = static_cast<size_t>(i % shape.channels);
    return cut == Cut::kInput && std::abs(static_cast<double>(scale[c]) * x[i] + shift[c]) < 1e-6;
  }
  double g(int64_t i) const { return passes(i) ? gradient[i] : 0.0; }
  double distance(int64_t i) const { return x[i] - mean[static_cast<size_t>(i % shape.channels)]; }

  ChannelCase shape;
  Cut cut;
  Values gradient, x, active;
  std::vector<float> mean, scale, shift;
};

TEST_P(ChannelKernels, AddUpTheGradientThatPassesTheActivation) {
  for (const auto& shape : kCases) {
    for (const Cut cut : {Cut::kNothing, Cut::kResult, Cut::kInput}) {
      Maps maps(is_bfloat16(), shape, cut);
      const auto channels = static_cast<size_t>(shape.channels);
      std::vector<float> sum(channels, 1.0f), product(channels, 2.0f);
      Values masked(is_bfloat16(), shape.values());
      kernels().reduce_gradient(maps.view(), masked.data(), sum.data(), product.data(), shape.pixels, shape.channels);
      std::vector<double> expected_sum(channels, 1.0), expected_product(channels, 2.0), slack(channels, 0.0);
      for (int64_t i = 0; i < shape.values(); ++i) {
        const auto c = static_cast<size_t>(i % shape.channels);
        expected_sum[c] += maps.g(i);
        expected_product[c] += maps.g(i) * maps.distance(i);
        if (maps.is_undecided(i)) slack[c] += 8.0;
        else ASSERT_EQ(masked[i], maps.g(i)) << "value " << i;
      }
      // The error of a sum in float grows with its terms, of which there are up to 5000 of a magnitude of some units.
      const double bound = 1e-6 * static_cast<double>(shape.pixels) + 1e-5;
      for (size_t c = 0; c < channels; ++c) {
        ASSERT_NEAR(sum[c], expected_sum[c], bound + slack[c]) << "channel " << c;
        ASSERT_NEAR(product[c], expected_product[c], 4 * bound + slack[c]) << "channel " << c;
      }
    }
  }
}

TEST_P(ChannelKernels, ReduceWithoutAPlaceForTheMaskedGradient) {
  Maps maps(is_bfloat16(), {37, 24}, Cut::kResult);
  std::vector<float> with(24), without(24), products(24), others(24);
  Values masked(is_bfloat16(), maps.shape.values());
  kernels().reduce_gradient(maps.view(), masked.data(), with.data(), products.data(), 37, 24);
  kernels().reduce_gradient(maps.view(), nullptr, without.data(), others.data(), 37, 24);
  EXPECT_EQ(with, without);
  EXPECT_EQ(products, others);
}

TEST_P(ChannelKernels, CombineGradientAndDistanceFromTheMean) {
  for (const auto& shape : kCases) {
    const auto a = noise_floats(shape.channels, 7), b = noise_floats(shape.channels, 8),
               k = noise_floats(shape.channels, 9);
    for (const Cut cut : {Cut::kNothing, Cut::kResult, Cut::kInput}) {
      Maps maps(is_bfloat16(), shape, cut);
      Values out(is_bfloat16(), shape.values());
      kernels().normalization_gradient(maps.view(), a.data(), b.data(), k.data(), out.data(), shape.pixels,
                                       shape.channels);
      for (int64_t i = 0; i < shape.values(); ++i) {
        if (maps.is_undecided(i)) continue;
        const auto c = static_cast<size_t>(i % shape.channels);
        const double expected = a[c] * maps.g(i) + b[c] * maps.distance(i) + k[c];
        ASSERT_NEAR(out[i], expected, tolerance() * std::max(1.0, std::abs(expected))) << "value " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, ChannelKernels, testing::ValuesIn(sets_with(&KernelSet::maps)), name_of);

}  // namespace
}  // namespace reviewkd::tests::channel_kernels
