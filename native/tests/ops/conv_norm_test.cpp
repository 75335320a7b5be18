// Convolution, batch normalization, addition and ReLU as one operation, compared with the same by PyTorch's operations
// in double.
#include <gtest/gtest.h>

#include <cmath>

#include "core/ops/backend/dispatch.h"
#include "core/ops/conv_norm/conv_norm.h"
#include "core/training/state/precision.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::conv_norm {
namespace {

struct LayerCase {
  const char* name;
  int64_t images, height, width, in_channels, out_channels;
  int64_t kernel = 3, stride = 1, groups = 1;

  int64_t padding() const { return kernel / 2; }
  std::vector<int64_t> out_sizes() const {
    return {images, out_channels, (height - 1) / stride + 1, (width - 1) / stride + 1};
  }
};

std::ostream& operator<<(std::ostream& out, const LayerCase& layer) { return out << layer.name; }

// Those of test/unit/ops/conv-norm.test.ts, which runs them on devices as well.
const LayerCase kLayers[] = {
    {"whole_tiles", 3, 32, 32, 16, 16},
    {"cut_tiles", 2, 13, 7, 32, 16},
    {"fewer_pixels_than_a_tile", 5, 2, 3, 16, 32},
    {"small_maps_in_groups", 11, 8, 8, 64, 64},
    {"many_channels", 2, 9, 9, 128, 144},
    {"stride_2", 3, 15, 16, 16, 32, 3, 2},
    {"single_taps", 3, 6, 5, 32, 48, 1},
    {"three_input_channels", 3, 12, 10, 3, 16},
    {"channels_that_fill_no_vector", 2, 6, 6, 20, 24},
    {"depthwise", 3, 7, 6, 24, 24, 3, 1, 24},
    {"groups_with_stride", 2, 8, 8, 32, 64, 3, 2, 4},
    {"maps_in_several_parts", 2, 40, 35, 16, 64},
    {"maps_in_several_parts_behind_pytorchs_convolution", 1, 37, 32, 8, 72},
    {"seven_by_seven", 2, 18, 16, 3, 32, 7, 2},
};

/// A layer's tensors in one type; `parameters` shares them.
struct Layer {
  Layer(const LayerCase& shape, at::ScalarType type, bool training) {
    const double factor = std::sqrt(1.5 * static_cast<double>(shape.groups) /
                                    static_cast<double>(shape.in_channels * shape.kernel * shape.kernel));
    x = leaf(noise_tensor({shape.images, shape.in_channels, shape.height, shape.width}, 1), type);
    residual = leaf(noise_tensor(shape.out_sizes(), 5), type);
    parameters.weight =
        leaf(noise_tensor({shape.out_channels, shape.in_channels / shape.groups, shape.kernel, shape.kernel}, 2,
                          at::kFloat, factor),
             type);
    parameters.gamma = leaf(noise_tensor({shape.out_channels}, 3, at::kFloat, 0.2) + 1, type);
    parameters.beta = leaf(noise_tensor({shape.out_channels}, 4, at::kFloat, 0.2), type);
    parameters.running_mean = noise_tensor({shape.out_channels}, 6, type, 0.1);
    parameters.running_variance = noise_tensor({shape.out_channels}, 7, type, 0.2) + 1;
    parameters.stride = shape.stride;
    parameters.padding = shape.padding();
    parameters.groups = shape.groups;
    parameters.epsilon = 1e-5;
    parameters.momentum = 0.1;
    parameters.training = training;
  }

  std::vector<at::Tensor> inputs() const { return {x, parameters.weight, parameters.gamma, parameters.beta, residual}; }

  at::Tensor x, residual;
  ops::ConvNormParameters parameters;
  ops::FoldedWeights folded;
};

class ConvNorm : public testing::TestWithParam<LayerCase> {
 protected:
  /// Forward, backward and running statistics, compared with the reference in double.
  static void expect_training_step_within(double tolerance, const LayerCase& shape) {
    Layer fast(shape, at::kFloat, true), exact(shape, at::kDouble, true);
    const at::Tensor upstream = noise_tensor(shape.out_sizes(), 8);
    const at::Tensor output = ops::conv_norm(fast.x, fast.parameters, fast.folded, fast.residual, false);
    const at::Tensor expected = ops::conv_norm_reference(exact.x, exact.parameters, exact.residual, false);
    expect_close(output, expected, tolerance, "output");
    const auto gradients = gradients_of(output, upstream, fast.inputs()),
               wanted = gradients_of(expected, upstream.to(at::kDouble), exact.inputs());
    const char* const names[] = {"gradient of x", "gradient of weight", "gradient of gamma", "gradient of beta",
                                 "gradient of residual"};
    for (size_t i = 0; i < gradients.size(); ++i) expect_close(gradients[i], wanted[i], tolerance, names[i]);
    expect_close(fast.parameters.running_mean, exact.parameters.running_mean, tolerance, "running mean");
    expect_close(fast.parameters.running_variance, exact.parameters.running_variance, tolerance, "running variance");
  }
};

TEST_P(ConvNorm, TrainsAsInDouble) {
  // Some thousand products are summed up; Winograd's transforms lose 2.5 times as much as plain sums do.
  expect_training_step_within(5e-6, GetParam());
}

TEST_P(ConvNorm, TrainsInBfloat16ToTheDigitsThatItHas) {
  const PrecisionScope scope(Precision::kBfloat16, at::kCPU);
  // 2⁻⁸ for each rounding of a map: inputs, convolved, normalized, and their gradients.
  expect_training_step_within(4 * 0x1p-8, GetParam());
}

TEST_P(ConvNorm, NormalizesByRunningStatisticsWithoutGradients) {
  const at::NoGradGuard no_grad;
  Layer fast(GetParam(), at::kFloat, false), exact(GetParam(), at::kDouble, false);
  for (const bool relu : {false, true}) {
    const at::Tensor mean_before = fast.parameters.running_mean.clone();
    const at::Tensor output = ops::conv_norm(fast.x, fast.parameters, fast.folded, fast.residual, relu);
    expect_close(output, ops::conv_norm_reference(exact.x, exact.parameters, exact.residual, relu), 5e-6, "output");
    EXPECT_TRUE(fast.parameters.running_mean.equal(mean_before));
  }
}

TEST_P(ConvNorm, CutsOffWhatIsBelowZeroAndItsGradient) {
  Layer plain(GetParam(), at::kFloat, true), cut(GetParam(), at::kFloat, true);
  const at::Tensor upstream = noise_tensor(GetParam().out_sizes(), 8);
  const at::Tensor without = ops::conv_norm(plain.x, plain.parameters, plain.folded, {}, false);
  const at::Tensor with = ops::conv_norm(cut.x, cut.parameters, cut.folded, {}, true);
  EXPECT_TRUE(with.equal(at::relu(without)));
  const auto gradients = gradients_of(with, upstream, {cut.parameters.beta});
  expect_close(gradients[0], (upstream * (with > 0)).to(at::kDouble).sum({0, 2, 3}), 1e-6, "gradient of beta");
}

INSTANTIATE_TEST_SUITE_P(Layers, ConvNorm, testing::ValuesIn(kLayers),
                         [](const auto& info) { return std::string(info.param.name); });

const LayerCase kSmall{"small", 2, 8, 8, 16, 16};

TEST(ConvNormLayer, MovesTheMeanByTheConvolutionsBias) {
  Layer fast(kSmall, at::kFloat, true), exact(kSmall, at::kDouble, true);
  fast.parameters.bias = leaf(noise_tensor({16}, 9), at::kFloat);
  exact.parameters.bias = leaf(fast.parameters.bias, at::kDouble);
  const at::Tensor output = ops::conv_norm(fast.x, fast.parameters, fast.folded, {}, false);
  expect_close(output, ops::conv_norm_reference(exact.x, exact.parameters, {}, false), 5e-6, "output");
  expect_close(fast.parameters.running_mean, exact.parameters.running_mean, 5e-6, "running mean");
  const auto gradients = gradients_of(output, noise_tensor(kSmall.out_sizes(), 8), {fast.parameters.bias});
  // The normalization subtracts the mean, and with it the bias. PyTorch's convolution sums up 128 values of about 1 to
  // nearly zero.
  expect_close(gradients[0], at::zeros({16}), 1e-4, "gradient of the bias");
}

TEST(ConvNormLayer, RefoldsWhenAParameterChanges) {
  const at::NoGradGuard no_grad;
  Layer layer(kSmall, at::kFloat, false);
  const at::Tensor before = ops::conv_norm(layer.x, layer.parameters, layer.folded, {}, false);
  EXPECT_TRUE(before.equal(ops::conv_norm(layer.x, layer.parameters, layer.folded, {}, false)));
  layer.parameters.beta.add_(1);
  const at::Tensor after = ops::conv_norm(layer.x, layer.parameters, layer.folded, {}, false);
  expect_close(after, before + 1, 1e-6, "output with another beta");
  layer.parameters.running_mean.sub_(0.5);
  expect_close(ops::conv_norm(layer.x, layer.parameters, layer.folded, {}, false),
               ops::conv_norm_reference(layer.x, layer.parameters, {}, false), 5e-6,
               "output with another running mean");
}

TEST(ConvNormLayer, SumsTheGradientsOfLayerAndShortcut) {
  const at::Tensor upstream = noise_tensor(kSmall.out_sizes(), 8),
                   shortcut_upstream = noise_tensor(kSmall.out_sizes(), 9);
  Layer fast(kSmall, at::kFloat, true), exact(kSmall, at::kDouble, true);
  const auto forked = ops::conv_norm_with_shortcut(fast.x, fast.parameters, fast.folded, true);
  const at::Tensor loss = (forked.layer.values() * upstream).sum() + (forked.x * shortcut_upstream).sum();
  const at::Tensor expected = ops::conv_norm_reference(exact.x, exact.parameters, {}, true);
  const at::Tensor exact_loss = (expected * upstream).sum() + (exact.x * shortcut_upstream).sum();
  const auto gradients = torch::autograd::grad({loss}, {fast.x}),
             wanted = torch::autograd::grad({exact_loss}, {exact.x});
  expect_close(gradients[0], wanted[0], 5e-6, "gradient of x");
}

TEST(ConvNormLayer, DividesAnImageAmongThreadsThatHaveNoOther) {
  const LayerCase shape{"", 1, 80, 64, 128, 128};
  const at::Tensor upstream = noise_tensor(shape.out_sizes(), 8);
  Layer alone(shape, at::kFloat, true), shared(shape, at::kFloat, true), exact(shape, at::kDouble, true);
  const auto step_of = [&](Layer& layer) {
    const at::Tensor output = ops::conv_norm(layer.x, layer.parameters, layer.folded, layer.residual, false);
    auto results = gradients_of(output, upstream, layer.inputs());
    results.push_back(output);
    return results;
  };
  const auto results = on_threads(3, [&] { return step_of(shared); }),
             wanted = on_threads(1, [&] { return step_of(alone); });
  EXPECT_TRUE(results.back().equal(wanted.back()));
  EXPECT_TRUE(shared.parameters.running_mean.equal(alone.parameters.running_mean));
  EXPECT_TRUE(shared.parameters.running_variance.equal(alone.parameters.running_variance));
  const at::Tensor expected = ops::conv_norm_reference(exact.x, exact.parameters, exact.residual, false);
  expect_close(results.back(), expected, 5e-6, "output");
  const auto gradients = gradients_of(expected, upstream.to(at::kDouble), exact.inputs());
  for (size_t i = 0; i < gradients.size(); ++i) expect_close(results[i], gradients[i], 5e-6, "gradient");
}

TEST(ConvNormLayer, ReturnsBothSidesOfItsActivation) {
  Layer layer(kSmall, at::kFloat, true);
  const auto activated = ops::activated_conv_norm(layer.x, layer.parameters, layer.folded, layer.residual);
  EXPECT_LT(activated.before.min().item<float>(), 0);
  EXPECT_TRUE(activated.after.values().equal(at::relu(activated.before)));
}

TEST(ConvNormLayer, ChainsLayersWhoseMapsAreRecomputed) {
  Layer first(kSmall, at::kFloat, true), second(kSmall, at::kFloat, true), exact_first(kSmall, at::kDouble, true),
      exact_second(kSmall, at::kDouble, true);
  const at::Tensor output = ops::conv_norm(ops::conv_norm(first.x, first.parameters, first.folded, {}, true),
                                           second.parameters, second.folded, {}, false);
  const at::Tensor expected = ops::conv_norm_reference(
      ops::conv_norm_reference(exact_first.x, exact_first.parameters, {}, true), exact_second.parameters, {}, false);
  expect_close(output, expected, 1e-5, "output");
  const at::Tensor upstream = noise_tensor(kSmall.out_sizes(), 8);
  const auto gradients = gradients_of(output, upstream, {first.x, first.parameters.weight, second.parameters.weight});
  const auto wanted = gradients_of(expected, upstream.to(at::kDouble),
                                   {exact_first.x, exact_first.parameters.weight, exact_second.parameters.weight});
  // A value within rounding of zero may fall to the other side of the ReLU between the layers.
  for (size_t i = 0; i < gradients.size(); ++i) expect_close(gradients[i], wanted[i], 1e-4, "gradient");
}

TEST(ConvNormLayer, TakesTheReferencePathBitForBitInItsScope) {
  const ops::ReferenceScope scope(true);
  Layer fast(kSmall, at::kFloat, true), reference(kSmall, at::kFloat, true);
  const at::Tensor output = ops::conv_norm(fast.x, fast.parameters, fast.folded, fast.residual, true);
  EXPECT_TRUE(output.equal(ops::conv_norm_reference(reference.x, reference.parameters, reference.residual, true)));
}

TEST(ConvNormLayer, MatchesDifferencesInDouble) {
  Layer layer(kSmall, at::kDouble, true);
  const at::Tensor upstream = noise_tensor(kSmall.out_sizes(), 8, at::kDouble);
  const auto loss = [&](const at::Tensor& x) {
    return (ops::conv_norm(x, layer.parameters, layer.folded, {}, false).values() * upstream).sum();
  };
  const auto gradients = torch::autograd::grad({loss(layer.x)}, {layer.x});
  const at::Tensor step = at::zeros_like(layer.x);
  step[1][7][3][2].fill_(1e-5);
  const double slope = ((loss(layer.x + step) - loss(layer.x - step)) / 2e-5).item<double>();
  EXPECT_NEAR((gradients[0] * step).sum().item<double>() / 1e-5, slope, 1e-6);
}

TEST(ConvNormLayer, RefusesToNormalizeOverASingleValue) {
  Layer layer({"one_pixel", 1, 1, 1, 16, 16}, at::kFloat, true);
  EXPECT_EQ(code_of([&] { ops::conv_norm(layer.x, layer.parameters, layer.folded, {}, false); }), "BATCH_TOO_SMALL");
}

}  // namespace
}  // namespace reviewkd::tests::conv_norm
