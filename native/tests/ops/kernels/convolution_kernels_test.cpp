// The direct convolutions of native/core/ops/kernels (tiles.h, weight_gradient.h), compared with their sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::convolution_kernels {
namespace {

/// An image with a border for 3 × 3 taps, [rows + 2, columns + 2, in_channels], and its output of the same size.
struct Image {
  int64_t rows, columns, in_channels, out_channels;

  static constexpr int64_t kTaps = 9;
  int64_t padded_columns() const { return columns + 2; }
  int64_t in_values() const { return (rows + 2) * padded_columns() * in_channels; }
  int64_t out_values() const { return rows * columns * out_channels; }
  int64_t weight_values() const { return kTaps * in_channels * out_channels; }
  int64_t offset(int64_t tap) const { return (tap / 3 * padded_columns() + tap % 3) * in_channels; }
  int64_t in_index(int64_t pixel, int64_t tap, int64_t i) const {
    return (pixel / columns * padded_columns() + pixel % columns) * in_channels + offset(tap) + i;
  }
};

constexpr Image kImages[] = {{1, 1, 16, 16}, {5, 7, 16, 32}, {4, 9, 32, 48}, {8, 8, 64, 64}};

class ConvolutionKernels : public KernelTest {
 protected:
  const ops::ConvolutionKernels& kernels() const { return *GetParam().convolutions; }

  /// Where weight[tap][i][o] stands: [o / 16][tap][i][16], in bfloat16 [o / 16][tap][i / 2][16][2].
  int64_t packed_index(const Image& image, int64_t tap, int64_t i, int64_t o) const {
    const int64_t block = (o / 16 * Image::kTaps + tap) * image.in_channels * 16;
    return is_bfloat16() ? block + i / 2 * 32 + o % 16 * 2 + i % 2 : block + i * 16 + o % 16;
  }

  ops::Convolution task(const Image& image, Values& in, Values& weights, Values& out) const {
    ops::Convolution task{};
    task.in = in.data();
    task.weights = weights.data();
    task.out = out.data();
    task.taps = task.weight_taps = Image::kTaps;
    for (int64_t t = 0; t < Image::kTaps; ++t) {
      task.offsets[t] = image.offset(t);
      task.weight_tap[t] = t;
    }
    task.in_channels = image.in_channels;
    task.out_channels = image.out_channels;
    task.in_pixel = image.in_channels;
    task.in_row = image.padded_columns() * image.in_channels;
    task.out_pixel = image.out_channels;
    task.out_row = image.columns * image.out_channels;
    task.rows = image.rows;
    task.columns = image.columns;
    return task;
  }
};

TEST_P(ConvolutionKernels, SumOverTapsAndChannelsAddAndActivate) {
  for (const auto& image : kImages) {
    Values in = Values::noise(is_bfloat16(), image.in_values(), 1),
           weights = Values::noise(is_bfloat16(), image.weight_values(), 2);
    Values residual = Values::noise(is_bfloat16(), image.out_values(), 3), out(is_bfloat16(), image.out_values());
    const auto bias = noise_floats(image.out_channels, 4);
    for (const bool adds : {false, true}) {
      ops::Convolution call = task(image, in, weights, out);
      if (adds) {
        call.bias = bias.data();
        call.residual = residual.data();
        call.relu = true;
      }
      kernels().convolve(call);
      for (int64_t k = 0; k < image.out_values(); ++k) {
        const int64_t pixel = k / image.out_channels, o = k % image.out_channels;
        double expected = adds ? bias[static_cast<size_t>(o)] + residual[k] : 0.0;
        double magnitude = std::abs(expected);
        for (int64_t t = 0; t < Image::kTaps; ++t) {
          for (int64_t i = 0; i < image.in_channels; ++i) {
            const double product = in[image.in_index(pixel, t, i)] * weights[packed_index(image, t, i, o)];
            expected += product;
            magnitude += std::abs(product);
          }
        }
        if (adds) expected = std::max(expected, 0.0);
        // Each partial sum is rounded to 2^-24 of itself: over all of them a few times 2^-24 of the terms' magnitudes.
        ASSERT_NEAR(out[k], expected, tolerance() * std::max(1.0, std::abs(expected)) + 4 * 0x1p-24 * magnitude)
            << image.rows << " rows, value " << k;
      }
    }
  }
}

TEST_P(ConvolutionKernels, AddUpTheGradientOfTheWeight) {
  for (const auto& image : kImages) {
    Values in = Values::noise(is_bfloat16(), image.in_values(), 1),
           gradient = Values::noise(is_bfloat16(), image.out_values(), 2);
    std::vector<float> sums(static_cast<size_t>(image.weight_values()), 1.0f);
    ops::WeightGradient task{};
    task.in = in.data();
    task.gradient = gradient.data();
    task.sums = sums.data();
    task.taps = Image::kTaps;
    for (int64_t t = 0; t < Image::kTaps; ++t) task.offsets[t] = image.offset(t);
    task.in_channels = image.in_channels;
    task.out_channels = image.out_channels;
    task.in_pixel = image.in_channels;
    task.in_row = image.padded_columns() * image.in_channels;
    task.gradient_pixel = image.out_channels;
    task.gradient_row = image.columns * image.out_channels;
    task.rows = image.rows;
    task.columns = image.columns;
    std::vector<char> memory(static_cast<size_t>(kernels().weight_gradient_scratch(task)));
    task.scratch = memory.data();
    kernels().add_weight_gradient(task);
    for (int64_t k = 0; k < image.weight_values(); ++k) {
      const int64_t o = k % image.out_channels, i = k / image.out_channels % image.in_channels,
                    t = k / image.out_channels / image.in_channels;
      double expected = 1.0;
      for (int64_t pixel = 0; pixel < image.rows * image.columns; ++pixel) {
        expected += in[image.in_index(pixel, t, i)] * gradient[pixel * image.out_channels + o];
      }
      ASSERT_NEAR(sums[static_cast<size_t>(k)], expected, 1e-4) << image.rows << " rows, value " << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, ConvolutionKernels, testing::ValuesIn(sets_with(&KernelSet::convolutions)),
                         name_of);
// A processor of another family has no such kernels.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConvolutionKernels);

}  // namespace
}  // namespace reviewkd::tests::convolution_kernels
