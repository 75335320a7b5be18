#pragma once
// The kernels of each instruction set, as parameters of tests. Those that this processor lacks are skipped, and
// reported as such.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/ops/backend/kernels.h"
#include "core/platform/processor.h"

namespace reviewkd::tests {

/// The kernels of one instruction set for one type of values; pointers are null where it has none.
struct KernelSet {
  std::string name;
  bool is_bfloat16 = false;
  bool is_supported = true;
  const ops::MapKernels* maps = nullptr;
  ops::SgdKernel sgd = nullptr;
  const ops::WinogradKernels* winograd = nullptr;
  const ops::ConvolutionKernels* convolutions = nullptr;
};

inline std::vector<KernelSet> kernel_sets() {
  std::vector<KernelSet> sets = {
      {.name = "generic_float32", .maps = &ops::generic::kMapsFloat, .sgd = ops::generic::kSgd},
      {.name = "generic_bfloat16",
       .is_bfloat16 = true,
       .maps = &ops::generic::kMapsBfloat16,
       .sgd = ops::generic::kSgd},
  };
#ifdef REVIEWKD_X86_KERNELS
  const bool avx2 = platform::supports(platform::Instructions::kAvx2),
             avx512 = platform::supports(platform::Instructions::kAvx512);
  const bool avx512_bfloat16 = platform::supports(platform::Instructions::kAvx512Bfloat16);
  const std::vector<KernelSet> x86 = {
      {"avx2_float32", false, avx2, &ops::avx2::kMapsFloat, ops::avx2::kSgd, &ops::avx2::kWinogradFloat, nullptr},
      {"avx2_bfloat16", true, avx2, &ops::avx2::kMapsBfloat16, ops::avx2::kSgd, &ops::avx2::kWinogradBfloat16, nullptr},
      {"avx512_float32", false, avx512, &ops::avx512::kMapsFloat, ops::avx512::kSgd, &ops::avx512::kWinogradFloat,
       &ops::avx512::kConvolutionsFloat},
      {"avx512_bfloat16", true, avx512, &ops::avx512::kMapsBfloat16, ops::avx512::kSgd, &ops::avx512::kWinogradBfloat16,
       nullptr},
      {"avx512_bf16_float32", false, avx512_bfloat16, &ops::avx512_bfloat16::kMapsFloat, ops::avx512_bfloat16::kSgd,
       &ops::avx512_bfloat16::kWinogradFloat, nullptr},
      {"avx512_bf16_bfloat16", true, avx512_bfloat16, &ops::avx512_bfloat16::kMapsBfloat16, ops::avx512_bfloat16::kSgd,
       &ops::avx512_bfloat16::kWinogradBfloat16, &ops::avx512_bfloat16::kConvolutionsBfloat16},
  };
  sets.insert(sets.end(), x86.begin(), x86.end());
#endif
  return sets;
}

/// The sets that have a kernel, by its member.
template <typename Kernel>
std::vector<KernelSet> sets_with(Kernel KernelSet::* kernel) {
  std::vector<KernelSet> having = kernel_sets();
  std::erase_if(having, [&](const KernelSet& set) { return set.*kernel == nullptr; });
  return having;
}

/// A test of the kernels of one set.
class KernelTest : public testing::TestWithParam<KernelSet> {
 protected:
  void SetUp() override {
    if (!GetParam().is_supported) GTEST_SKIP() << "this processor lacks the instructions of " << GetParam().name;
  }

  bool is_bfloat16() const { return GetParam().is_bfloat16; }
  /// How far a rounded result may lie from the one in double, relative to values of about 1: half of the last of
  /// bfloat16's eight bits, with what sums in float lose.
  double tolerance() const { return is_bfloat16() ? 5e-3 : 2e-6; }
};

inline std::string name_of(const testing::TestParamInfo<KernelSet>& info) { return info.param.name; }

}  // namespace reviewkd::tests
