// How an operation's path and its threads are chosen.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/ops/backend/dispatch.h"
#include "core/training/state/precision.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::dispatch {
namespace {

TEST(ReferenceScope, HoldsForItsThreadUntilTheOutermostEnds) {
  EXPECT_FALSE(ops::takes_reference_path());
  {
    const ops::ReferenceScope outer(true);
    const ops::ReferenceScope inner(false);
    EXPECT_TRUE(ops::takes_reference_path());
    bool elsewhere = true;
    std::thread([&] { elsewhere = ops::takes_reference_path(); }).join();
    EXPECT_FALSE(elsewhere);
  }
  EXPECT_FALSE(ops::takes_reference_path());
  const ops::ReferenceScope disabled(false);
  EXPECT_FALSE(ops::takes_reference_path());
}

TEST(PartsScope, Nests) {
  EXPECT_FALSE(ops::takes_parts());
  {
    const ops::PartsScope outer;
    {
      const ops::PartsScope inner;
    }
    EXPECT_TRUE(ops::takes_parts());
  }
  EXPECT_FALSE(ops::takes_parts());
}

TEST(ComputingType, IsBfloat16ForFloat32UnderAutocastAlone) {
  const at::Tensor single = at::zeros({1}), twofold = at::zeros({1}, at::kDouble);
  EXPECT_EQ(ops::computing_type(single), at::kFloat);
  const PrecisionScope scope(Precision::kBfloat16, at::kCPU);
  EXPECT_EQ(ops::computing_type(single), at::kBFloat16);
  EXPECT_EQ(ops::computing_type(twofold), at::kDouble);
}

TEST(Kernels, ExistForFloat32AndBfloat16AndNoOtherType) {
  EXPECT_NE(ops::map_kernels(at::kFloat), nullptr);
  EXPECT_NE(ops::map_kernels(at::kBFloat16), nullptr);
  EXPECT_NE(ops::sgd_kernel(), nullptr);
  for (const auto type : {at::kDouble, at::kHalf, at::kLong}) {
    EXPECT_EQ(ops::map_kernels(type), nullptr);
    EXPECT_EQ(ops::winograd_kernels(type), nullptr);
    EXPECT_EQ(ops::convolution_kernels(type), nullptr);
  }
}

TEST(Ranges, CoverEachIndexOnce) {
  for (const int64_t count : {0, 1, 7, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
    ops::parallel_for_ranges(count, [&](int64_t first, int64_t last, int64_t) {
      for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (const auto& visit : visits) EXPECT_EQ(visit, 1);
  }
}

}  // namespace
}  // namespace reviewkd::tests::dispatch
