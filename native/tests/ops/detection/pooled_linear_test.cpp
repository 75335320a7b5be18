// A linear layer on pooled regions, compared with the two operations one after the other.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/ops/backend/allocator.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/roi_align/pooled_linear.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::pooled_linear {
namespace {

constexpr int64_t kChannels = 32, kOutputs = 24, kSide = 3;
const ops::RoiAlignOptions kOptions{kSide, kSide, 1.0, 2, false};
const std::vector<double> kScales = {0.25, 0.125};

struct Inputs {
  std::vector<at::Tensor> maps;
  at::Tensor rois, levels, weight, bias;

  Inputs(int64_t regions, at::ScalarType type)
      : maps({leaf(noise_tensor({2, kChannels, 20, 30}, 1, type), type),
              leaf(noise_tensor({2, kChannels, 10, 15}, 2, type), type)}),
        rois(noise_rois(regions, 2, 3, type, 120, 80)),
        levels(at::arange(regions).remainder(2)),
        weight(leaf(noise_tensor({kOutputs, kChannels * kSide * kSide}, 4, type, 0.1), type)),
        bias(leaf(noise_tensor({kOutputs}, 5, type), type)) {}

  ops::PooledLinear fused() const { return ops::pooled_linear(maps, rois, levels, kScales, kOptions, weight, bias); }
  at::Tensor separate() const {
    const at::Tensor pooled = ops::multiscale_roi_align(maps, rois, levels, kScales, kOptions);
    return at::linear(pooled.flatten(1), weight, bias);
  }
  std::vector<at::Tensor> leaves() const { return {maps[0], maps[1], weight, bias}; }
};

class PooledLinears : public testing::TestWithParam<int64_t> {};

TEST_P(PooledLinears, ReturnWhatTheTwoOperationsReturnAndTheirGradients) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    // Sums of 288 products, and gradients of up to 600.
    const double tolerance = type == at::kFloat ? 1e-5 : 1e-13;
    const Inputs inputs(GetParam(), type);
    const auto [result, maps] = inputs.fused();
    const at::Tensor expected = inputs.separate();
    expect_close(result, expected, tolerance, "result");
    const at::Tensor upstream = noise_tensor(result.sizes(), 7, type);
    // The first map has another reader.
    const at::Tensor of_reader = noise_tensor(maps[0].sizes(), 8, type);
    const auto gradients = torch::autograd::grad({result, maps[0]}, inputs.leaves(), {upstream, of_reader});
    auto wanted = gradients_of(expected, upstream, inputs.leaves());
    wanted[0] = wanted[0] + of_reader;
    for (size_t i = 0; i < wanted.size(); ++i) expect_close(gradients[i], wanted[i], tolerance, "gradient");
  }
}

INSTANTIATE_TEST_SUITE_P(Regions, PooledLinears, testing::Values(0, 1, 40, 600));

TEST(PooledLinear, LeavesGradientsThatOthersHoldUnchanged) {
  const Inputs inputs(10, at::kFloat);
  const auto [result, maps] = inputs.fused();
  const at::Tensor of_reader = noise_tensor(maps[0].sizes(), 8), copy = of_reader.clone();
  torch::autograd::grad({result, maps[0]}, inputs.leaves(), {at::ones_like(result), of_reader});
  EXPECT_TRUE(of_reader.equal(copy));
}

TEST(PooledLinear, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  const Inputs inputs(600, at::kFloat);
  std::vector<at::Tensor> sums;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    const at::Tensor result = inputs.fused().result;
    sums.push_back(gradients_of(result, noise_tensor(result.sizes(), 7), inputs.maps)[0]);
  }
  at::set_num_threads(threads);
  // The products of PyTorch's library may differ in the last digit.
  expect_close(sums[0], sums[1], 1e-6, "gradient of a map");
}

TEST(PooledLinear, HoldsPooledValuesAndTheirGradientsOneAfterTheOther) {
  constexpr int64_t kRegions = 2560;
  const Inputs inputs(kRegions, at::kFloat);
  const at::Tensor result = inputs.fused().result, upstream = noise_tensor(result.sizes(), 7);
  AllocationRecorder recorder;
  const auto gradients = gradients_of(result, upstream, inputs.leaves());
  int64_t bytes = 0, most = 0;
  for (const int64_t event : recorder.take()) most = std::max(most, bytes += event);
  // Gradients of weights and maps alone are added to what the forward pass left.
  EXPECT_LT(most, kRegions * inputs.weight.size(1) * 4 / 4);
}

TEST(PooledLinear, RefusesASecondBackwardPass) {
  const Inputs inputs(10, at::kFloat);
  const at::Tensor result = inputs.fused().result;
  const auto backward = [&] {
    torch::autograd::grad({result}, inputs.maps, {at::ones_like(result)}, /*retain_graph=*/true);
  };
  backward();
  EXPECT_EQ(code_of(backward), "INTERNAL");
}

TEST(PooledLinear, RefusesWhatCannotBePooled) {
  Inputs inputs(10, at::kFloat);
  inputs.levels = at::full({10}, 2, at::kLong);
  EXPECT_EQ(code_of([&] { inputs.fused(); }), "INVALID_ARGUMENT");
}

TEST(PooledLinear, TakesTheReferencePathOnRequest) {
  const Inputs inputs(10, at::kFloat);
  const ops::ReferenceScope scope(true);
  EXPECT_TRUE(inputs.fused().result.equal(inputs.separate()));
}

}  // namespace
}  // namespace reviewkd::tests::pooled_linear
