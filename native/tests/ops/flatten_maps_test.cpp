// Maps as rows of values, compared with PyTorch's operation.
#include <gtest/gtest.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/flatten_maps/flatten_maps.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::flatten_maps {
namespace {

class FlattenMaps : public testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(FlattenMaps, ReturnWhatPyTorchReturnsAndItsGradient) {
  const at::Tensor x = leaf(noise_tensor(GetParam(), 1), at::kFloat);
  const at::Tensor rows = ops::flatten_maps(x), wanted = x.flatten(1);
  EXPECT_TRUE(rows.equal(wanted));
  EXPECT_TRUE(rows.is_contiguous());
  const at::Tensor upstream = noise_tensor(wanted.sizes(), 2);
  EXPECT_TRUE(gradients_of(rows, upstream, {x})[0].equal(gradients_of(wanted, upstream, {x})[0]));
}

INSTANTIATE_TEST_SUITE_P(Sizes, FlattenMaps,
                         testing::Values(std::vector<int64_t>{3, 32, 7, 7}, std::vector<int64_t>{2, 20, 3, 5},
                                         std::vector<int64_t>{1, 1, 4, 4}, std::vector<int64_t>{0, 16, 7, 7}));

TEST(FlattenMapsOrder, AcceptsMapsInAnyOrderAndType) {
  const at::Tensor x = noise_tensor({2, 16, 3, 3}, 1);
  EXPECT_TRUE(ops::flatten_maps(x.contiguous()).equal(x.flatten(1)));
  EXPECT_TRUE(ops::flatten_maps(x.to(at::kDouble)).equal(x.to(at::kDouble).flatten(1)));
}

}  // namespace
}  // namespace reviewkd::tests::flatten_maps
