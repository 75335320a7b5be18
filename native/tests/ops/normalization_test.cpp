// Batch normalization without a convolution in front, compared with PyTorch's in double.
#include <gtest/gtest.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/conv_norm/normalization.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::normalization {
namespace {

struct MapCase {
  const char* name;
  std::vector<int64_t> sizes;
};

std::ostream& operator<<(std::ostream& out, const MapCase& map) { return out << map.name; }

const MapCase kMaps[] = {
    {"whole_vectors", {3, 32, 6, 5}},   {"channels_that_fill_no_vector", {2, 21, 4, 4}}, {"one_image", {1, 16, 8, 8}},
    {"several_parts", {1, 72, 37, 32}}, {"image_in_several_parts", {2, 24, 80, 64}},
};

/// The layer of a map in one type.
struct Layer {
  Layer(const MapCase& map, at::ScalarType type, bool training)
      : x(leaf(noise_tensor(map.sizes, 1), type)), residual(leaf(noise_tensor(map.sizes, 2), type)) {
    const std::vector<int64_t> channels = {map.sizes[1]};
    parameters.gamma = leaf(noise_tensor(channels, 3, at::kFloat, 0.2) + 1, type);
    parameters.beta = leaf(noise_tensor(channels, 4), type);
    parameters.running_mean = noise_tensor(channels, 5, type);
    parameters.running_variance = noise_tensor(channels, 6, type, 0.2) + 1;
    parameters.epsilon = 1e-5;
    parameters.momentum = 0.1;
    parameters.training = training;
  }

  at::Tensor x, residual;
  ops::ConvNormParameters parameters;
};

class BatchNorm : public testing::TestWithParam<MapCase> {};

TEST_P(BatchNorm, TrainsAsInDouble) {
  Layer fast(GetParam(), at::kFloat, true), exact(GetParam(), at::kDouble, true);
  const at::Tensor output = ops::batch_norm(fast.x, fast.parameters, fast.residual, false);
  const at::Tensor expected = ops::batch_norm_reference(exact.x, exact.parameters, exact.residual, false);
  expect_close(output, expected, 2e-6, "output");
  const at::Tensor upstream = noise_tensor(GetParam().sizes, 7);
  const auto gradients =
      gradients_of(output, upstream, {fast.x, fast.residual, fast.parameters.gamma, fast.parameters.beta});
  const auto wanted = gradients_of(expected, upstream.to(at::kDouble),
                                   {exact.x, exact.residual, exact.parameters.gamma, exact.parameters.beta});
  const char* const names[] = {"gradient of x", "gradient of residual", "gradient of gamma", "gradient of beta"};
  for (size_t i = 0; i < gradients.size(); ++i) expect_close(gradients[i], wanted[i], 5e-6, names[i]);
  expect_close(fast.parameters.running_mean, exact.parameters.running_mean, 1e-6, "running mean");
  expect_close(fast.parameters.running_variance, exact.parameters.running_variance, 1e-6, "running variance");
}

TEST_P(BatchNorm, MasksTheGradientOfTheResidual) {
  Layer layer(GetParam(), at::kFloat, true);
  const at::Tensor output = ops::batch_norm(layer.x, layer.parameters, layer.residual, true);
  const at::Tensor upstream = noise_tensor(GetParam().sizes, 7);
  const auto gradients = gradients_of(output, upstream, {layer.residual});
  EXPECT_TRUE(gradients[0].equal(upstream * (output > 0)));
}

TEST_P(BatchNorm, CutsTheGradientByTheSignOfItsInput) {
  Layer plain(GetParam(), at::kFloat, true), cut(GetParam(), at::kFloat, true);
  const at::Tensor upstream = noise_tensor(GetParam().sizes, 7);
  const at::Tensor before = ops::batch_norm(plain.x, plain.parameters, {}, false),
                   after = ops::batch_norm(cut.x, cut.parameters, {}, true);
  EXPECT_TRUE(after.equal(at::relu(before)));
  const auto expected = gradients_of(before, upstream * (before > 0), {plain.x, plain.parameters.gamma});
  const auto gradients = gradients_of(after, upstream, {cut.x, cut.parameters.gamma});
  EXPECT_TRUE(gradients[0].equal(expected[0]));
  EXPECT_TRUE(gradients[1].equal(expected[1]));
}

TEST_P(BatchNorm, NormalizesByRunningStatisticsWithoutGradients) {
  const at::NoGradGuard no_grad;
  Layer fast(GetParam(), at::kFloat, false), exact(GetParam(), at::kDouble, false);
  expect_close(ops::batch_norm(fast.x, fast.parameters, fast.residual, true),
               ops::batch_norm_reference(exact.x, exact.parameters, exact.residual, true), 2e-6, "output");
}

TEST_P(BatchNorm, DoesNotDependOnTheNumberOfThreads) {
  const at::Tensor upstream = noise_tensor(GetParam().sizes, 7);
  const auto step = [&] {
    Layer layer(GetParam(), at::kFloat, true);
    const at::Tensor output = ops::batch_norm(layer.x, layer.parameters, layer.residual, true);
    auto results =
        gradients_of(output, upstream, {layer.x, layer.residual, layer.parameters.gamma, layer.parameters.beta});
    results.insert(results.end(), {output, layer.parameters.running_mean, layer.parameters.running_variance});
    return results;
  };
  const auto alone = on_threads(1, step), together = on_threads(3, step);
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(together[i].equal(alone[i])) << "result " << i;
}

INSTANTIATE_TEST_SUITE_P(Maps, BatchNorm, testing::ValuesIn(kMaps),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(BatchNormLayer, RefusesASingleValuePerChannel) {
  Layer layer({"one", {1, 16, 1, 1}}, at::kFloat, true);
  EXPECT_EQ(code_of([&] { ops::batch_norm(layer.x, layer.parameters, {}, false); }), "BATCH_TOO_SMALL");
}

TEST(BatchNormLayer, FoldsTheConvolutionsBiasIntoItsShift) {
  Layer layer({"two", {2, 16, 2, 2}}, at::kFloat, false);
  layer.parameters.bias = noise_tensor({16}, 8);
  const ops::FoldedBatchNorm folding(layer.parameters);
  const at::NoGradGuard no_grad;
  const at::Tensor with_bias = layer.x + layer.parameters.bias.view({1, -1, 1, 1});
  const at::Tensor expected = ops::batch_norm_reference(
      with_bias.to(at::kDouble), Layer({"two", {2, 16, 2, 2}}, at::kDouble, false).parameters, {}, false);
  expect_close(layer.x * folding.scale.view({1, -1, 1, 1}) + folding.shift.view({1, -1, 1, 1}), expected, 1e-6,
               "folded");
}

}  // namespace
}  // namespace reviewkd::tests::normalization
