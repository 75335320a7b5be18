// The convolutions that the fused layers are made of, direct and by Winograd, compared with their definition in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/ops/convolution/convolution.h"
#include "core/ops/convolution/matrix_convolution.h"
#include "core/ops/convolution/winograd_convolution.h"
#include "tests/support/convolution_reference.h"
#include "tests/support/plain_convolution_kernels.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::image_convolution {
namespace {

using Create = std::shared_ptr<const ops::ImageConvolution> (*)(const ops::ConvolutionShape&, at::ScalarType);

struct ConvolutionCase {
  std::string name;
  Create create;
  bool is_bfloat16;
  ConvolutionReference shape;
};

std::ostream& operator<<(std::ostream& out, const ConvolutionCase& convolution) { return out << convolution.name; }

std::shared_ptr<const ops::ImageConvolution> direct(const ops::ConvolutionShape& shape, at::ScalarType type) {
  return ops::DirectConvolution::create(shape, type);
}
/// With kernels that every processor has.
std::shared_ptr<const ops::ImageConvolution> plain_direct(const ops::ConvolutionShape& shape, at::ScalarType type) {
  if (type != at::kFloat) return nullptr;
  return std::make_shared<const ops::DirectConvolution>(shape, type, plain::kKernels);
}
std::shared_ptr<const ops::ImageConvolution> winograd(const ops::ConvolutionShape& shape, at::ScalarType type) {
  return ops::WinogradConvolution::create(shape, type);
}

std::shared_ptr<const ops::ImageConvolution> matrix(const ops::ConvolutionShape& shape, at::ScalarType type) {
  return ops::MatrixConvolution::create(shape, type);
}

std::vector<ConvolutionCase> convolutions() {
  const std::vector<ConvolutionCase> shapes = {
      {"winograd_whole_tiles", winograd, false, {2, 8, 8, 16, 32, 3, 1, 1}},
      {"winograd_cut_tiles", winograd, false, {3, 5, 7, 32, 16, 3, 1, 1}},
      {"winograd_many_tiles", winograd, false, {1, 33, 42, 16, 16, 3, 1, 1}},
      {"direct_3x3", direct, false, {2, 6, 5, 16, 32, 3, 1, 1}},
      {"direct_3x3_stride_2", direct, false, {2, 7, 6, 32, 16, 3, 2, 1}},
      {"direct_1x1", direct, false, {2, 3, 4, 16, 48, 1, 1, 0}},
      {"direct_1x1_stride_2", direct, false, {2, 5, 4, 32, 32, 1, 2, 0}},
      {"direct_three_channels", direct, false, {2, 6, 7, 3, 16, 3, 1, 1}},
      {"matrix_1x1", matrix, false, {3, 5, 4, 20, 12, 1, 1, 0}},
      {"matrix_1x1_of_several_blocks", matrix, false, {1, 52, 41, 16, 256, 1, 1, 0}},
      {"matrix_1x1_stride_2", matrix, false, {2, 5, 4, 32, 16, 1, 2, 0}},
      {"matrix_3x3", matrix, false, {2, 5, 6, 16, 20, 3, 1, 1}},
      {"matrix_3x3_stride_2", matrix, false, {3, 7, 6, 32, 16, 3, 2, 1}},
      {"matrix_7x7_larger_than_the_image", matrix, false, {2, 4, 3, 3, 16, 7, 2, 3}},
  };
  std::vector<ConvolutionCase> all;
  for (const auto& shape : shapes) {
    all.push_back(shape);
    if (shape.create != matrix) all.push_back({shape.name + "_bfloat16", shape.create, true, shape.shape});
    if (shape.create == direct) all.push_back({"plain_" + shape.name, plain_direct, false, shape.shape});
  }
  return all;
}

class ImageConvolutions : public testing::TestWithParam<ConvolutionCase> {
 protected:
  void SetUp() override {
    const auto& shape = reference();
    convolution_ = GetParam().create({.in_channels = shape.in_channels,
                                      .out_channels = shape.out_channels,
                                      .kernel = shape.kernel,
                                      .stride = shape.stride,
                                      .padding = shape.padding,
                                      .height = shape.height,
                                      .width = shape.width,
                                      .out_height = shape.out_height(),
                                      .out_width = shape.out_width()},
                                     GetParam().is_bfloat16 ? at::kBFloat16 : at::kFloat);
    if (convolution_ == nullptr) GTEST_SKIP() << "this processor has no kernels for " << GetParam().name;
  }

  const ConvolutionReference& reference() const { return GetParam().shape; }
  const ops::ImageConvolution& convolution() const { return *convolution_; }
  bool is_bfloat16() const { return GetParam().is_bfloat16; }
  double weight_at(int64_t index) const { return weight_.contiguous().const_data_ptr<float>()[index]; }
  /// Weights that bfloat16 holds exactly, so that only results are rounded.
  static at::Tensor weight_of(const ConvolutionReference& shape) {
    return noise_tensor({shape.out_channels, shape.in_channels, shape.kernel, shape.kernel}, 3)
        .to(at::kBFloat16)
        .to(at::kFloat)
        .contiguous();
  }
  double bound(double expected, double terms) const {
    return (is_bfloat16() ? 8e-3 : 2e-6) * std::max(1.0, std::abs(expected)) + 2e-6 * terms;
  }

  /// Calls work(first image, images) for the groups in which a convolution takes them.
  template <typename Work>
  void each_group(const Work& work) const {
    for (int64_t n = 0; n < reference().images; n += convolution().group())
      work(n, std::min(convolution().group(), reference().images - n));
  }

  int64_t in_image() const { return reference().in_values() / reference().images; }
  int64_t out_image() const { return reference().out_values() / reference().images; }

  /// Writes the rows of a gradient where the convolution wants them.
  void write_gradient(Values& gradient, int64_t first, int64_t count, const ops::OutputGradients& to) const {
    const int64_t row = reference().out_width() * reference().out_channels;
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t r = 0; r < reference().out_height(); ++r) {
        std::memcpy(to.row(k, r), gradient.at((first + k) * out_image() + r * row),
                    static_cast<size_t>(row * (is_bfloat16() ? 2 : 4)));
      }
    }
  }

  std::shared_ptr<const ops::ImageConvolution> convolution_;
  at::Tensor weight_ = weight_of(GetParam().shape);
};

TEST_P(ImageConvolutions, ScaleConvolveAddAndActivate) {
  Values x = Values::noise(is_bfloat16(), reference().in_values(), 1),
         residual = Values::noise(is_bfloat16(), reference().out_values(), 2);
  Values out(is_bfloat16(), reference().out_values());
  const auto bias = noise_floats(reference().out_channels, 4);
  // Powers of two, which keep weights exact in bfloat16.
  std::vector<float> factors;
  for (int64_t o = 0; o < reference().out_channels; ++o) factors.push_back(o % 2 == 0 ? 0.5f : 2.0f);
  const at::Tensor packed = convolution().pack(weight_, factors.data());
  each_group([&](int64_t first, int64_t count) {
    convolution().forward(x.at(first * in_image()), count, packed, bias.data(), residual.at(first * out_image()), true,
                          out.at(first * out_image()));
  });
  const auto sums = reference().forward([&](int64_t i) { return x[i]; }, [&](int64_t i) { return weight_at(i); });
  for (int64_t i = 0; i < reference().out_values(); ++i) {
    const auto o = static_cast<size_t>(i % reference().out_channels);
    const double expected = std::max(0.0, sums[static_cast<size_t>(i)] * factors[o] + bias[o] + residual[i]);
    ASSERT_NEAR(out[i], expected, bound(expected, static_cast<double>(9 * reference().in_channels))) << "value " << i;
  }
}

TEST_P(ImageConvolutions, DifferentiateByTheInput) {
  if (!convolution().has_input_gradient()) GTEST_SKIP() << "not provided for pixels";
  Values gradient = Values::noise(is_bfloat16(), reference().out_values(), 1),
         added = Values::noise(is_bfloat16(), reference().in_values(), 2);
  Values out(is_bfloat16(), reference().in_values());
  const at::Tensor packed = convolution().pack_for_gradient(weight_);
  ops::ScratchScope scratch;
  const ops::OutputGradients rows = convolution().output_gradients(scratch);
  each_group([&](int64_t first, int64_t count) {
    write_gradient(gradient, first, count, rows);
    convolution().input_gradient(rows, count, packed, added.at(first * in_image()), out.at(first * in_image()));
  });
  const auto expected =
      reference().input_gradient([&](int64_t i) { return gradient[i]; }, [&](int64_t i) { return weight_at(i); });
  for (int64_t i = 0; i < reference().in_values(); ++i) {
    const double sum = expected[static_cast<size_t>(i)] + added[i];
    ASSERT_NEAR(out[i], sum, bound(sum, static_cast<double>(9 * reference().out_channels))) << "value " << i;
  }
}

TEST_P(ImageConvolutions, DifferentiateByTheWeight) {
  Values x = Values::noise(is_bfloat16(), reference().in_values(), 1),
         gradient = Values::noise(is_bfloat16(), reference().out_values(), 2);
  std::vector<float> sums(static_cast<size_t>(convolution().weight_sums()));
  ops::ScratchScope scratch;
  const ops::OutputGradients rows = convolution().output_gradients(scratch);
  each_group([&](int64_t first, int64_t count) {
    write_gradient(gradient, first, count, rows);
    convolution().add_weight_gradient(x.at(first * in_image()), rows, count, sums.data());
  });
  at::Tensor weight_gradient = at::empty_like(weight_);
  convolution().unpack_weight_gradient(sums.data(), weight_gradient);
  const auto expected =
      reference().weight_gradient([&](int64_t i) { return x[i]; }, [&](int64_t i) { return gradient[i]; });
  for (int64_t i = 0; i < reference().weight_values(); ++i) {
    ASSERT_NEAR(weight_gradient.const_data_ptr<float>()[i], expected[static_cast<size_t>(i)], 5e-4) << "value " << i;
  }
}

TEST_P(ImageConvolutions, GiveTheSameBitsInShares) {
  Values x = Values::noise(is_bfloat16(), reference().in_values(), 1),
         residual = Values::noise(is_bfloat16(), reference().out_values(), 2);
  const auto bias = noise_floats(reference().out_channels, 4);
  const at::Tensor packed = convolution().pack(weight_);
  const auto result_of = [&](int64_t shares) {
    Values out(is_bfloat16(), reference().out_values());
    each_group([&](int64_t first, int64_t count) {
      for (int64_t k = 0; k < shares; ++k) {
        convolution().forward(x.at(first * in_image()), count, packed, bias.data(), residual.at(first * out_image()),
                              true, out.at(first * out_image()), {k, shares});
      }
    });
    return out;
  };
  const Values whole = result_of(1), divided = result_of(3);
  for (int64_t i = 0; i < reference().out_values(); ++i) ASSERT_EQ(divided[i], whole[i]) << "value " << i;
}

TEST_P(ImageConvolutions, GiveTheSameGradientsInShares) {
  Values x = Values::noise(is_bfloat16(), reference().in_values(), 1),
         gradient = Values::noise(is_bfloat16(), reference().out_values(), 2);
  ops::ScratchScope scratch;
  const ops::OutputGradients rows = convolution().output_gradients(scratch);
  const at::Tensor packed = convolution().has_input_gradient() ? convolution().pack_for_gradient(weight_) : weight_;
  const auto gradients_in = [&](int64_t shares) {
    std::pair<Values, std::vector<float>> result{Values(is_bfloat16(), reference().in_values()),
                                                 std::vector<float>(static_cast<size_t>(convolution().weight_sums()))};
    each_group([&](int64_t first, int64_t count) {
      write_gradient(gradient, first, count, rows);
      for (int64_t k = 0; k < shares; ++k) {
        const ops::WorkShare share{k, shares};
        if (convolution().has_input_gradient())
          convolution().input_gradient(rows, count, packed, nullptr, result.first.at(first * in_image()), share);
        convolution().add_weight_gradient(x.at(first * in_image()), rows, count, result.second.data(), share);
      }
    });
    return result;
  };
  const auto whole = gradients_in(1),
             divided = gradients_in(std::min<int64_t>(3, convolution().most_gradient_shares()));
  for (int64_t i = 0; i < reference().in_values(); ++i) ASSERT_EQ(divided.first[i], whole.first[i]) << "value " << i;
  float largest = 0;
  for (const float sum : whole.second) largest = std::max(largest, std::abs(sum));
  for (size_t i = 0; i < whole.second.size(); ++i)
    ASSERT_NEAR(divided.second[i], whole.second[i], 1e-6 * largest) << "sum " << i;
}

INSTANTIATE_TEST_SUITE_P(Convolutions, ImageConvolutions, testing::ValuesIn(convolutions()),
                         [](const auto& info) { return info.param.name; });

/// A convolution between equally many channels that keeps the size of a square map.
ops::ConvolutionShape square(int64_t channels, int64_t kernel, int64_t side) {
  return {.in_channels = channels,
          .out_channels = channels,
          .kernel = kernel,
          .stride = 1,
          .padding = kernel / 2,
          .height = side,
          .width = side,
          .out_height = side,
          .out_width = side};
}

TEST(ImageConvolutionChoice, HasNoneForShapesAndTypesWithoutKernels) {
  const auto shape = square(16, 3, 4);
  EXPECT_EQ(ops::ImageConvolution::create(shape, at::kDouble, 1), nullptr);
  auto other = shape;
  other.out_channels = 20;
  EXPECT_EQ(ops::ImageConvolution::create(other, at::kFloat, 1), nullptr);
  EXPECT_EQ(ops::ImageConvolution::create(square(16, 5, 4), at::kFloat, 1), nullptr);
}

TEST(ImageConvolutionShares, AreSeveralWhereAnImageHasMuchWork) {
  const auto pointwise = square(256, 1, 128);
  const auto three = square(256, 3, 128);
  auto halved = three;
  halved.stride = 2;
  halved.out_height = halved.out_width = 64;
  EXPECT_EQ(matrix(pointwise, at::kFloat)->most_shares(), 16);
  EXPECT_EQ(matrix(pointwise, at::kFloat)->most_gradient_shares(), 16);
  EXPECT_GT(matrix(halved, at::kFloat)->most_shares(), 1);
  // Several kernels reach each input pixel.
  EXPECT_EQ(matrix(halved, at::kFloat)->most_gradient_shares(), 1);
  if (const auto tiled = winograd(three, at::kFloat)) {
    EXPECT_EQ(tiled->most_gradient_shares(), 32);
  }
  const auto rows = plain_direct(halved, at::kFloat);
  EXPECT_EQ(rows->most_shares(), 8);
  EXPECT_EQ(rows->most_gradient_shares(), 1);
}

TEST(ImageConvolutionChoice, DependsOnTheNumberOfTilesThatShareFilters) {
  const auto shape = square(256, 3, 14);
  if (ops::WinogradConvolution::create(shape, at::kFloat) == nullptr) GTEST_SKIP() << "no Winograd on this processor";
  EXPECT_EQ(ops::ImageConvolution::create(shape, at::kFloat, 2)->order(), ops::PackedOrder::kMatrix);
  EXPECT_EQ(ops::ImageConvolution::create(shape, at::kFloat, 64)->order(), ops::PackedOrder::kWinograd);
}

}  // namespace
}  // namespace reviewkd::tests::image_convolution
