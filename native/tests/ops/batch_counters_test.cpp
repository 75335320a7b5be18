// Counters of batches, which grow at once or together at the end of a step.
#include <gtest/gtest.h>

#include "core/ops/conv_norm/batch_counters.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::batch_counters {
namespace {

at::Tensor counter() { return at::zeros({}, at::kLong); }

TEST(BatchCounters, GrowAtOnceOutsideOfAScope) {
  const at::Tensor batches = counter();
  ops::count_batch(batches);
  ops::count_batch(batches);
  EXPECT_EQ(batches.item<int64_t>(), 2);
}

TEST(BatchCounters, AreCollectedOncePerCounterInAScope) {
  const at::Tensor first = counter(), second = counter();
  const ops::BatchCounterScope scope;
  ops::count_batch(first);
  ops::count_batch(second);
  ops::count_batch(first);
  ASSERT_EQ(scope.counted().size(), 2u);
  EXPECT_TRUE(scope.counted()[0].first.is_same(first));
  EXPECT_EQ(scope.counted()[0].second, 2);
  EXPECT_EQ(scope.counted()[1].second, 1);
  EXPECT_EQ(first.item<int64_t>(), 0);
}

TEST(BatchCounters, BelongToTheInnermostScope) {
  const at::Tensor batches = counter();
  const ops::BatchCounterScope outer;
  {
    const ops::BatchCounterScope inner;
    ops::count_batch(batches);
    EXPECT_EQ(inner.counted().size(), 1u);
  }
  EXPECT_TRUE(outer.counted().empty());
  ops::count_batch(batches);
  EXPECT_EQ(outer.counted().size(), 1u);
}

}  // namespace
}  // namespace reviewkd::tests::batch_counters
