// native/core/ops/convolution/kernels/winograd.inl of each instruction set, compared with convolutions by their
// definition in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tests/support/convolution_reference.h"
#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::winograd_kernels {
namespace {

constexpr ConvolutionReference shape_of(int64_t images, int64_t height, int64_t width, int64_t in, int64_t out) {
  return {.images = images,
          .height = height,
          .width = width,
          .in_channels = in,
          .out_channels = out,
          .kernel = 3,
          .stride = 1,
          .padding = 1};
}

// Whole tiles of 4 × 4 and cut ones, one block of tiles and several, few channels and many.
const ConvolutionReference kShapes[] = {shape_of(1, 4, 4, 16, 16), shape_of(2, 5, 7, 32, 16), shape_of(3, 1, 3, 16, 48),
                                        shape_of(2, 16, 16, 16, 16), shape_of(1, 9, 6, 128, 32)};

class WinogradKernels : public KernelTest {
 protected:
  const ops::WinogradKernels& kernels() const { return *GetParam().winograd; }

  /// weight [O, I, 3, 3] to planes [9, I · O].
  static std::vector<float> planes_of(const ConvolutionReference& shape, const std::vector<float>& weight) {
    std::vector<float> planes(weight.size());
    const int64_t pairs = shape.in_channels * shape.out_channels;
    for (int64_t t = 0; t < 9; ++t) {
      for (int64_t i = 0; i < shape.in_channels; ++i) {
        for (int64_t o = 0; o < shape.out_channels; ++o) {
          planes[static_cast<size_t>(t * pairs + i * shape.out_channels + o)] =
              weight[static_cast<size_t>((o * shape.in_channels + i) * 9 + t)];
        }
      }
    }
    return planes;
  }

  std::vector<float> transformed(const ConvolutionReference& shape, const std::vector<float>& weight) const {
    const int64_t pairs = shape.in_channels * shape.out_channels;
    std::vector<float> filters(static_cast<size_t>(ops::kWinogradPoints * pairs));
    kernels().transform_filters(planes_of(shape, weight).data(), pairs, pairs, filters.data());
    return filters;
  }

  std::vector<float> scratch(const ConvolutionReference& shape) const {
    return std::vector<float>(static_cast<size_t>(kernels().scratch_size(shape.in_channels, shape.out_channels)));
  }

  /// Of results whose products number `terms`: the transforms multiply rounding errors, and bfloat16 rounds the result.
  double bound(double expected, int64_t terms) const {
    return tolerance() * std::max(1.0, std::abs(expected)) + 2e-6 * static_cast<double>(terms);
  }
};

/// First tiles and numbers of tiles of two shares, the first of them smaller, or of one for a single tile.
std::vector<std::pair<int64_t, int64_t>> shares_of(const ConvolutionReference& shape) {
  const int64_t tiles = shape.images * ((shape.height + 3) / 4) * ((shape.width + 3) / 4);
  if (tiles == 1) return {{0, 1}};
  const int64_t first = std::max<int64_t>(1, tiles / 3);
  return {{0, first}, {first, tiles - first}};
}

TEST_P(WinogradKernels, ConvolveAddAndActivate) {
  for (const auto& shape : kShapes) {
    Values x = Values::noise(is_bfloat16(), shape.in_values(), 1),
           residual = Values::noise(is_bfloat16(), shape.out_values(), 2);
    const auto weight = noise_floats(shape.weight_values(), 3), bias = noise_floats(shape.out_channels, 4);
    const auto filters = transformed(shape, weight);
    auto memory = scratch(shape);
    const auto sums =
        shape.forward([&](int64_t i) { return x[i]; }, [&](int64_t i) { return weight[static_cast<size_t>(i)]; });
    for (const bool adds : {false, true}) {
      Values out(is_bfloat16(), shape.out_values());
      for (const auto& [first_tile, tiles] : shares_of(shape)) {
        kernels().convolve({.in = x.data(),
                            .filters = filters.data(),
                            .out = out.data(),
                            .scratch = memory.data(),
                            .images = shape.images,
                            .height = shape.height,
                            .width = shape.width,
                            .in_channels = shape.in_channels,
                            .out_channels = shape.out_channels,
                            .bias = adds ? bias.data() : nullptr,
                            .residual = adds ? residual.data() : nullptr,
                            .relu = adds,
                            .first_tile = first_tile,
                            .tiles = tiles});
      }
      for (int64_t i = 0; i < shape.out_values(); ++i) {
        double expected = sums[static_cast<size_t>(i)];
        if (adds) expected = std::max(0.0, expected + bias[static_cast<size_t>(i % shape.out_channels)] + residual[i]);
        ASSERT_NEAR(out[i], expected, bound(expected, 9 * shape.in_channels)) << shape.height << " rows, value " << i;
      }
    }
  }
}

TEST_P(WinogradKernels, AddUpTheGradientOfTheFilters) {
  for (const auto& shape : kShapes) {
    Values x = Values::noise(is_bfloat16(), shape.in_values(), 1),
           gradient = Values::noise(is_bfloat16(), shape.out_values(), 2);
    const int64_t pairs = shape.in_channels * shape.out_channels;
    std::vector<float> sums(static_cast<size_t>(ops::kWinogradPoints * pairs)), planes(static_cast<size_t>(9 * pairs));
    auto memory = scratch(shape);
    for (const auto& [first_tile, tiles] : shares_of(shape)) {
      const ops::WinogradGradient task{.in = x.data(),
                                       .gradient = gradient.data(),
                                       .sums = sums.data(),
                                       .scratch = memory.data(),
                                       .images = shape.images,
                                       .height = shape.height,
                                       .width = shape.width,
                                       .in_channels = shape.in_channels,
                                       .out_channels = shape.out_channels,
                                       .first_tile = first_tile,
                                       .tiles = tiles};
      // Twice, for it adds.
      kernels().add_gradient(task);
      kernels().add_gradient(task);
    }
    kernels().restore_filters(sums.data(), pairs, pairs, planes.data());
    const auto expected =
        shape.weight_gradient([&](int64_t i) { return x[i]; }, [&](int64_t i) { return gradient[i]; });
    std::vector<float> weights(expected.begin(), expected.end());
    const auto expected_planes = planes_of(shape, weights);
    const double terms = static_cast<double>(shape.images * shape.height * shape.width);
    for (size_t i = 0; i < planes.size(); ++i) {
      ASSERT_NEAR(planes[i], 2 * expected_planes[i], 2e-5 * terms + 1e-4) << shape.height << " rows, value " << i;
    }
  }
}

TEST_P(WinogradKernels, TransformFiltersPartByPart) {
  const auto shape = shape_of(1, 4, 4, 32, 16);
  const int64_t pairs = shape.in_channels * shape.out_channels, half = pairs / 2;
  const auto planes = planes_of(shape, noise_floats(shape.weight_values(), 1));
  std::vector<float> whole(static_cast<size_t>(ops::kWinogradPoints * pairs)), parts(whole.size());
  kernels().transform_filters(planes.data(), pairs, pairs, whole.data());
  kernels().transform_filters(planes.data(), pairs, half, parts.data());
  kernels().transform_filters(planes.data() + half, pairs, pairs - half, parts.data() + half);
  EXPECT_EQ(whole, parts);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, WinogradKernels, testing::ValuesIn(sets_with(&KernelSet::winograd)), name_of);
// A processor of another family has no such kernels.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WinogradKernels);

}  // namespace
}  // namespace reviewkd::tests::winograd_kernels
