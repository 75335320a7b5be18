// native/core/ops/sgd/kernel.inl of each instruction set, compared with a step in double.
#include <gtest/gtest.h>

#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::sgd_kernels {
namespace {

class SgdKernels : public KernelTest {};

TEST_P(SgdKernels, DecayAccumulateMomentumAndStepWithAndWithoutNesterov) {
  for (const bool nesterov : {false, true}) {
    for (const int64_t count : {1, 7, 16, 1003}) {
      const ops::SgdCoefficients coefficients{.rate = 0.1f, .momentum = 0.9f, .decay = 5e-4f, .nesterov = nesterov};
      const auto old_parameter = noise_floats(count, 1), gradient = noise_floats(count, 2),
                 old_buffer = noise_floats(count, 3);
      auto parameter = old_parameter, buffer = old_buffer;
      GetParam().sgd(parameter.data(), gradient.data(), buffer.data(), count, coefficients);
      for (size_t i = 0; i < parameter.size(); ++i) {
        const double g = static_cast<double>(gradient[i]) + static_cast<double>(coefficients.decay) * old_parameter[i];
        const double v = static_cast<double>(coefficients.momentum) * old_buffer[i] + g;
        const double p = old_parameter[i] - static_cast<double>(coefficients.rate) *
                                                (nesterov ? g + static_cast<double>(coefficients.momentum) * v : v);
        // Some roundings of values below 4.
        ASSERT_NEAR(buffer[i], v, 1e-6) << count << " values, value " << i;
        ASSERT_NEAR(parameter[i], p, 1e-6) << count << " values, value " << i;
      }
    }
  }
}

TEST_P(SgdKernels, WriteNothingBehindTheLastValue) {
  std::vector<float> parameter(20, 1.0f), gradient(20, 1.0f), buffer(20, 1.0f);
  GetParam().sgd(parameter.data(), gradient.data(), buffer.data(), 13,
                 {.rate = 1.0f, .momentum = 0.0f, .decay = 0.0f, .nesterov = false});
  for (size_t i = 0; i < parameter.size(); ++i) {
    EXPECT_EQ(parameter[i], i < 13 ? 0.0f : 1.0f);
    EXPECT_EQ(buffer[i], 1.0f);
  }
}

// The kernel has one type of values; the sets for float32 have each instruction set once.
INSTANTIATE_TEST_SUITE_P(InstructionSets, SgdKernels, testing::ValuesIn([] {
                           auto sets = sets_with(&KernelSet::sgd);
                           std::erase_if(sets, [](const KernelSet& set) { return set.is_bfloat16; });
                           return sets;
                         }()),
                         name_of);

}  // namespace
}  // namespace reviewkd::tests::sgd_kernels
