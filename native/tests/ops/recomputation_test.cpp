// Maps that are computed from their sources where they are read.
#include <gtest/gtest.h>

#include <atomic>

#include "core/ops/backend/graph/recomputation.h"
#include "core/ops/backend/nhwc_view.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::recomputation {
namespace {

/// Twice the source, counting how often a part is computed.
ops::Recomputation doubling(const at::Tensor& source, std::shared_ptr<std::atomic<int>> calls) {
  return {{source}, [calls](const std::vector<at::Tensor>& sources, int64_t first, int64_t count, void* out) {
            ++*calls;
            const int64_t channels = sources[0].size(1);
            const auto* from = reinterpret_cast<const float*>(ops::NhwcView(sources[0]).pixel(0, first));
            for (int64_t i = 0; i < count * channels; ++i) static_cast<float*>(out)[i] = 2 * from[i];
          }};
}

TEST(Maps, AreComputedOnceTheirValuesAreRead) {
  const at::Tensor source = noise_tensor({3, 4, 2, 2}, 1);
  const auto calls = std::make_shared<std::atomic<int>>(0);
  const ops::LazyTensor map = ops::LazyTensor::deferred(at::empty_like(source), doubling(source, calls));
  EXPECT_FALSE(map.is_made());
  EXPECT_EQ(*calls, 0);
  EXPECT_TRUE(map.values().equal(source * 2));
  EXPECT_TRUE(map.is_made());
  const int after = *calls;
  EXPECT_TRUE(map.values().equal(source * 2));
  EXPECT_EQ(*calls, after);
}

TEST(Maps, PassTheGradientToTheirPlaceInTheGraph) {
  const at::Tensor source = noise_tensor({2, 4, 2, 2}, 1), place = leaf(noise_tensor({2, 4, 2, 2}, 2), at::kFloat);
  const ops::LazyTensor map =
      ops::LazyTensor::deferred(place * 1, doubling(source, std::make_shared<std::atomic<int>>(0)));
  const at::Tensor upstream = noise_tensor({2, 4, 2, 2}, 3);
  EXPECT_TRUE(gradients_of(map.values(), upstream, {place})[0].equal(upstream));
}

TEST(Maps, StandForTheirTensorWhereTheyAreComputed) {
  const at::Tensor values = noise_tensor({1, 4, 2, 2}, 1);
  const ops::LazyTensor map(values);
  EXPECT_TRUE(map.values().is_same(values));
  EXPECT_TRUE(map.variable().is_same(values));
  EXPECT_TRUE(map.fork().is_same(values));
  EXPECT_FALSE(map.has_fork());
  const at::Tensor second = values.alias();
  EXPECT_TRUE(ops::LazyTensor::with_fork(values, second).fork().is_same(second));
}

TEST(KeptMaps, ReadPartsOfTheMapOrComputeThem) {
  const at::Tensor source = noise_tensor({3, 4, 2, 2}, 1), expected = source * 2;
  const auto calls = std::make_shared<std::atomic<int>>(0);
  const ops::SavedActivation kept(expected, std::nullopt), computed(expected, doubling(source, calls));
  EXPECT_FALSE(kept.make());
  const int64_t first = 3, count = 6;
  ops::ScratchScope scratch;
  const auto* direct = reinterpret_cast<const float*>(kept.pixels(first, count, scratch));
  EXPECT_EQ(direct, reinterpret_cast<const float*>(ops::NhwcView(expected).pixel(0, first)));
  const auto* made = reinterpret_cast<const float*>(computed.pixels(first, count, scratch));
  for (int64_t i = 0; i < count * 4; ++i) ASSERT_EQ(made[i], direct[i]) << i;
  EXPECT_EQ(*calls, 1);
  EXPECT_EQ(computed.empty_like().sizes(), expected.sizes());
}

}  // namespace
}  // namespace reviewkd::tests::recomputation
