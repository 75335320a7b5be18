// Convolutions before a frozen normalization or with a bias, with their gradients, compared with PyTorch's operations in
// double.
#include <gtest/gtest.h>

#include <cmath>

#include "core/ops/backend/dispatch.h"
#include "core/ops/conv_norm/affine_convolution.h"
#include "core/ops/conv_norm/normalization.h"
#include "core/training/state/precision.h"
#include "tests/support/tensors.h"
#include "tests/support/threads.h"

namespace reviewkd::tests::affine_convolution {
namespace {

struct LayerCase {
  const char* name;
  int64_t images, height, width, in_channels, out_channels;
  int64_t kernel = 3, stride = 1, groups = 1;

  std::vector<int64_t> out_sizes() const {
    return {images, out_channels, (height - 1) / stride + 1, (width - 1) / stride + 1};
  }
};

std::ostream& operator<<(std::ostream& out, const LayerCase& layer) { return out << layer.name; }

const LayerCase kLayers[] = {
    {"winograd", 3, 16, 13, 32, 16},
    {"winograd_of_small_maps", 9, 4, 6, 16, 16},
    {"winograd_of_many_channels", 3, 17, 20, 128, 144},
    {"direct_stride_2", 2, 9, 8, 16, 32, 3, 2},
    {"direct_1x1", 3, 6, 5, 32, 48, 1},
    {"products_1x1", 3, 9, 7, 128, 64, 1},
    {"products_1x1_stride_2", 2, 7, 8, 128, 64, 1, 2},
    {"products_stride_2", 2, 10, 9, 128, 128, 3, 2},
    {"products_of_few_tiles", 2, 8, 7, 128, 128},
    {"products_of_odd_channels", 2, 6, 5, 1024, 15, 1},
    {"pytorchs_convolution", 2, 6, 5, 12, 20},
    {"depthwise", 2, 6, 7, 24, 24, 3, 1, 24},
};

/// A layer's tensors in one type.
struct Layer {
  Layer(const LayerCase& shape, at::ScalarType type) {
    const auto terms = static_cast<double>(shape.in_channels / shape.groups * shape.kernel * shape.kernel);
    x = leaf(noise_tensor({shape.images, shape.in_channels, shape.height, shape.width}, 1), type);
    residual = leaf(noise_tensor(shape.out_sizes(), 5), type);
    parameters.weight =
        leaf(noise_tensor({shape.out_channels, shape.in_channels / shape.groups, shape.kernel, shape.kernel}, 2,
                          at::kFloat, std::sqrt(1.5 / terms)),
             type);
    parameters.bias = leaf(noise_tensor({shape.out_channels}, 9, at::kFloat, 0.2), type);
    parameters.stride = shape.stride;
    parameters.padding = shape.kernel / 2;
    parameters.groups = shape.groups;
  }

  /// With a frozen normalization instead of the bias.
  ops::ConvNormParameters frozen(const LayerCase& shape) const {
    ops::ConvNormParameters result = parameters;
    const auto type = x.scalar_type();
    result.bias = at::Tensor();
    result.gamma = noise_tensor({shape.out_channels}, 3, type, 0.2) + 1;
    result.beta = noise_tensor({shape.out_channels}, 4, type, 0.2);
    result.running_mean = noise_tensor({shape.out_channels}, 6, type, 0.1);
    result.running_variance = noise_tensor({shape.out_channels}, 7, type, 0.2) + 1;
    result.epsilon = 1e-5;
    result.momentum = 0.1;
    result.training = false;
    return result;
  }

  at::Tensor x, residual;
  ops::ConvNormParameters parameters{};
  ops::FoldedWeights folded;
};

class AffineConvolutions : public testing::TestWithParam<LayerCase> {
 protected:
  // Some thousand products are summed up; Winograd's transforms lose 2.5 times as much as plain sums do.
  static constexpr double kTolerance = 5e-6;

  static void expect_gradients_within(double tolerance, const at::Tensor& output, const at::Tensor& expected,
                                      const std::vector<at::Tensor>& inputs,
                                      const std::vector<at::Tensor>& exact_inputs) {
    expect_close(output, expected, tolerance, "output");
    const at::Tensor upstream = noise_tensor(output.sizes(), 8);
    const auto gradients = gradients_of(output, upstream, inputs);
    const auto wanted = gradients_of(expected, upstream.to(at::kDouble), exact_inputs);
    const char* const names[] = {"gradient of x", "gradient of weight", "third gradient"};
    for (size_t i = 0; i < gradients.size(); ++i) expect_close(gradients[i], wanted[i], tolerance, names[i]);
  }
};

TEST_P(AffineConvolutions, TrainBehindAFrozenNormalizationAsInDouble) {
  Layer fast(GetParam(), at::kFloat), exact(GetParam(), at::kDouble);
  const at::Tensor output = ops::conv_norm(fast.x, fast.frozen(GetParam()), fast.folded, fast.residual, false);
  const at::Tensor expected = ops::conv_norm_reference(exact.x, exact.frozen(GetParam()), exact.residual, false);
  expect_gradients_within(kTolerance, output, expected, {fast.x, fast.parameters.weight, fast.residual},
                          {exact.x, exact.parameters.weight, exact.residual});
}

TEST_P(AffineConvolutions, TrainWithABiasAsInDouble) {
  Layer fast(GetParam(), at::kFloat), exact(GetParam(), at::kDouble);
  const at::Tensor output = ops::biased_convolution(fast.x, fast.parameters, fast.folded, {}, false);
  const at::Tensor expected = ops::biased_convolution_reference(exact.x, exact.parameters, {}, false);
  expect_gradients_within(kTolerance, output, expected, {fast.x, fast.parameters.weight, fast.parameters.bias},
                          {exact.x, exact.parameters.weight, exact.parameters.bias});
}

TEST_P(AffineConvolutions, CutOffGradientsWhereTheResultIsNotPositive) {
  Layer plain(GetParam(), at::kFloat), cut(GetParam(), at::kFloat);
  const at::Tensor without = ops::conv_norm(plain.x, plain.frozen(GetParam()), plain.folded, plain.residual, false);
  const at::Tensor with = ops::conv_norm(cut.x, cut.frozen(GetParam()), cut.folded, cut.residual, true);
  EXPECT_TRUE(with.equal(at::relu(without)));
  const at::Tensor upstream = noise_tensor(GetParam().out_sizes(), 8);
  const auto gradients = gradients_of(with, upstream, {cut.x, cut.parameters.weight, cut.residual});
  const auto wanted = gradients_of(without, upstream * with.gt(0), {plain.x, plain.parameters.weight, plain.residual});
  for (size_t i = 0; i < gradients.size(); ++i) EXPECT_TRUE(gradients[i].equal(wanted[i])) << "gradient " << i;
}

TEST_P(AffineConvolutions, ComputeTheSameWithoutGradients) {
  Layer layer(GetParam(), at::kFloat);
  const at::Tensor with = ops::biased_convolution(layer.x, layer.parameters, layer.folded, {}, true);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(with.equal(ops::biased_convolution(layer.x, layer.parameters, layer.folded, {}, true)));
}

TEST_P(AffineConvolutions, RecordNothingWhereNoTensorRequiresAGradient) {
  Layer layer(GetParam(), at::kFloat);
  auto parameters = layer.frozen(GetParam());
  parameters.weight = parameters.weight.detach();
  const at::Tensor output = ops::conv_norm(layer.x.detach(), parameters, layer.folded, layer.residual.detach(), true);
  EXPECT_FALSE(output.requires_grad());
}

TEST_P(AffineConvolutions, TrainInBfloat16ToTheDigitsThatItHas) {
  const PrecisionScope scope(Precision::kBfloat16, at::kCPU);
  Layer fast(GetParam(), at::kFloat), exact(GetParam(), at::kDouble);
  const at::Tensor output = ops::conv_norm(fast.x, fast.frozen(GetParam()), fast.folded, fast.residual, false);
  const at::Tensor expected = ops::conv_norm_reference(exact.x, exact.frozen(GetParam()), exact.residual, false);
  // 2⁻⁸ for each rounding of a map: inputs, convolved, normalized, and their gradients.
  expect_gradients_within(4 * 0x1p-8, output, expected, {fast.x, fast.parameters.weight, fast.residual},
                          {exact.x, exact.parameters.weight, exact.residual});
}

INSTANTIATE_TEST_SUITE_P(Layers, AffineConvolutions, testing::ValuesIn(kLayers),
                         [](const auto& info) { return std::string(info.param.name); });

const LayerCase kSmall{"small", 2, 8, 8, 16, 16};

TEST(AffineConvolutionLayer, SumsTheGradientsOfLayerAndShortcut) {
  Layer fast(kSmall, at::kFloat), exact(kSmall, at::kDouble);
  const at::Tensor upstream = noise_tensor(kSmall.out_sizes(), 8), other = noise_tensor(kSmall.out_sizes(), 9);
  const auto forked = ops::conv_norm_with_shortcut(fast.x, fast.frozen(kSmall), fast.folded, true);
  const at::Tensor expected = ops::conv_norm_reference(exact.x, exact.frozen(kSmall), {}, true);
  const auto gradients =
      torch::autograd::grad({(forked.layer.values() * upstream).sum() + (forked.x * other).sum()}, {fast.x});
  const auto wanted = torch::autograd::grad({(expected * upstream).sum() + (exact.x * other).sum()}, {exact.x});
  expect_close(gradients[0], wanted[0], 5e-6, "gradient of x");
}

TEST(AffineConvolutionLayer, DifferentiatesOnlyWhatIsTrained) {
  Layer layer(kSmall, at::kFloat), whole(kSmall, at::kFloat);
  const at::Tensor upstream = noise_tensor(kSmall.out_sizes(), 8);
  const auto wanted = gradients_of(ops::conv_norm(whole.x, whole.frozen(kSmall), whole.folded, {}, true), upstream,
                                   {whole.x, whole.parameters.weight});
  auto parameters = layer.frozen(kSmall);
  const auto of_weight =
      gradients_of(ops::conv_norm(layer.x.detach(), parameters, layer.folded, {}, true), upstream, {parameters.weight});
  EXPECT_TRUE(of_weight[0].equal(wanted[1]));
  parameters.weight = parameters.weight.detach();
  const auto of_x = gradients_of(ops::conv_norm(layer.x, parameters, layer.folded, {}, true), upstream, {layer.x});
  EXPECT_TRUE(of_x[0].equal(wanted[0]));
}

TEST(AffineConvolutionLayer, RepacksCachedWeightsForAnotherSizeOfImage) {
  const at::NoGradGuard no_grad;
  Layer small({"", 1, 8, 8, 128, 128}, at::kFloat), large({"", 1, 40, 40, 128, 128}, at::kFloat);
  const auto run = [&](Layer& layer) {
    return ops::biased_convolution(layer.x, small.parameters, small.folded, {}, false);
  };
  const at::Tensor first = run(small), second = run(large);
  EXPECT_TRUE(first.equal(run(small)));
  EXPECT_TRUE(second.equal(run(large)));
  expect_close(second, ops::biased_convolution_reference(large.x, small.parameters, {}, false), 5e-6, "large image");
}

TEST(AffineConvolutionLayer, DividesAnImageAmongThreadsThatHaveNoOther) {
  const LayerCase shape{"", 1, 33, 42, 128, 128};
  Layer fast(shape, at::kFloat), exact(shape, at::kDouble);
  at::Tensor output, upstream;
  const auto gradients = on_threads(3, [&] {
    output = ops::biased_convolution(fast.x, fast.parameters, fast.folded, {}, true);
    upstream = noise_tensor(shape.out_sizes(), 8) * output.gt(0);
    return gradients_of(output, upstream, {fast.x, fast.parameters.weight, fast.parameters.bias});
  });
  const at::Tensor expected = ops::biased_convolution_reference(exact.x, exact.parameters, {}, false);
  expect_close(output, expected.relu(), 5e-6, "output");
  const auto wanted = gradients_of(expected, upstream, {exact.x, exact.parameters.weight, exact.parameters.bias});
  for (size_t i = 0; i < gradients.size(); ++i) expect_close(gradients[i], wanted[i], 5e-6, "gradient");
}

TEST(AffineConvolutionLayer, TakesTheReferencePathBitForBitInItsScope) {
  const ops::ReferenceScope scope(true);
  Layer layer(kSmall, at::kFloat);
  EXPECT_TRUE(ops::biased_convolution(layer.x, layer.parameters, layer.folded, {}, true)
                  .equal(ops::biased_convolution_reference(layer.x, layer.parameters, {}, true)));
}

}  // namespace
}  // namespace reviewkd::tests::affine_convolution
