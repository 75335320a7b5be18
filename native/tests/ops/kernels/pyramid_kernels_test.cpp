// native/core/ops/pyramid_loss/kernel.inl of each instruction set, compared with its sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::pyramid_kernels {
namespace {

/// Two maps and the grid over them.
struct PyramidCase {
  int64_t height, width, channels, cells;

  int64_t values() const { return height * width * channels; }
  int64_t cell_of(int64_t index) const {
    const int64_t pixel = index / channels;
    return pixel / width / (height / cells) * cells + pixel % width / (width / cells);
  }
};

constexpr PyramidCase kCases[] = {{1, 1, 16, 1}, {4, 4, 16, 4}, {8, 12, 48, 4}, {6, 10, 32, 2}, {7, 5, 64, 1}};

class PyramidKernels : public KernelTest {};

TEST_P(PyramidKernels, SumDifferencesPerCellAndSquaresOverTheMap) {
  for (const auto& shape : kCases) {
    Values left = Values::noise(is_bfloat16(), shape.values(), 1),
           right = Values::noise(is_bfloat16(), shape.values(), 2);
    // The kernel starts its sums itself.
    std::vector<float> sums(static_cast<size_t>(shape.cells * shape.cells * shape.channels), 1e9f);
    const double squares = GetParam().maps->pyramid.difference(left.data(), right.data(), shape.height, shape.width,
                                                               shape.channels, shape.cells, sums.data());
    std::vector<double> expected(sums.size(), 0.0);
    double expected_squares = 0;
    for (int64_t i = 0; i < shape.values(); ++i) {
      const double distance = left[i] - right[i];
      expected[static_cast<size_t>(shape.cell_of(i) * shape.channels + i % shape.channels)] += distance;
      expected_squares += distance * distance;
    }
    EXPECT_NEAR(squares, expected_squares, 1e-6 * expected_squares);
    // Sums of up to 70 values below 4, in float.
    for (size_t i = 0; i < sums.size(); ++i) ASSERT_NEAR(sums[i], expected[i], 5e-5) << "sum " << i;
  }
}

TEST_P(PyramidKernels, ScaleDifferencesAndShiftThemPerCell) {
  constexpr float kFactor = 0.375f;
  for (const auto& shape : kCases) {
    Values left = Values::noise(is_bfloat16(), shape.values(), 3),
           right = Values::noise(is_bfloat16(), shape.values(), 4);
    const auto shifts = noise_floats(shape.cells * shape.cells * shape.channels, 5);
    Values out(is_bfloat16(), shape.values());
    GetParam().maps->pyramid.gradient(left.data(), right.data(), shape.height, shape.width, shape.channels, shape.cells,
                                      kFactor, shifts.data(), out.data());
    for (int64_t i = 0; i < shape.values(); ++i) {
      const double shift = shifts[static_cast<size_t>(shape.cell_of(i) * shape.channels + i % shape.channels)];
      const double expected = kFactor * (left[i] - right[i]) + shift;
      ASSERT_NEAR(out[i], expected, tolerance() * std::max(1.0, std::abs(expected))) << "value " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, PyramidKernels, testing::ValuesIn(sets_with(&KernelSet::maps)), name_of);

}  // namespace
}  // namespace reviewkd::tests::pyramid_kernels
