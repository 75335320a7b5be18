// The pooling of regions: by hand, against the reference by PyTorch's operations, and with gradients of differences.
#include <gtest/gtest.h>

#include <limits>

#include "core/ops/backend/dispatch.h"
#include "core/ops/roi_align/roi_align.h"
#include "tests/support/boxes.h"
#include "tests/support/errors.h"
#include "tests/support/gradients.h"

namespace reviewkd::tests::roi_align {
namespace {

/// A map whose value is its column, plus ten times its row.
at::Tensor slope(int64_t height, int64_t width) {
  return (at::arange(height, at::kDouble).view({-1, 1}) * 10 + at::arange(width, at::kDouble))
      .view({1, 1, height, width});
}

TEST(RoiAlignByHand, InterpolatesAtTheMiddleOfEachBin) {
  // Bins of 2 × 4 pixels, with a sample each at their middle.
  const at::Tensor roi = boxes_of({0, 1, 0, 9, 4}, at::kDouble, 5);
  const at::Tensor pooled = ops::roi_align(slope(8, 12), roi, {2, 2, 1.0, 1, false});
  EXPECT_TRUE(pooled.equal(at::tensor({13.0, 17.0, 33.0, 37.0}, at::kDouble).view({1, 1, 2, 2})));
  // Aligned, pixels have their centers half a pixel further.
  const at::Tensor aligned = ops::roi_align(slope(8, 12), roi, {2, 2, 1.0, 1, true});
  EXPECT_TRUE(aligned.equal(pooled - 5.5));
}

TEST(RoiAlignByHand, TakesAsManySamplesAsPixelsIfAdaptive) {
  // 3 × 3 samples in the only bin, or one for a region of a tenth of a pixel.
  const at::Tensor rois = boxes_of({0, 1, 1, 4, 4, 0, 2, 2, 2.1, 2.1}, at::kDouble, 5);
  const at::Tensor map = noise_tensor({1, 1, 8, 8}, 1, at::kDouble);
  const at::Tensor adaptive = ops::roi_align(map, rois, {1, 1, 1.0, 0, true});
  EXPECT_TRUE(adaptive[0].equal(ops::roi_align(map, rois, {1, 1, 1.0, 3, true})[0]));
  EXPECT_TRUE(adaptive[1].equal(ops::roi_align(map, rois, {1, 1, 1.0, 1, true})[1]));
}

TEST(RoiAlignByHand, IsZeroOutsideOfTheMapAndTheNearestPixelAtItsEdge) {
  const at::Tensor map = at::ones({1, 16, 4, 4});
  const at::Tensor rois = boxes_of({0, 40, 40, 50, 50, 0, -1.5, 0, -0.5, 1, 0, 3.5, 3.5, 4.5, 4.5}, at::kFloat, 5);
  const at::Tensor pooled = ops::roi_align(map, rois, {1, 1, 1.0, 1, false}).select(1, 0).flatten();
  // The middle of the second region is a pixel outside, where the map still counts; of the third, at its very end.
  EXPECT_TRUE(pooled.equal(at::tensor({0.0f, 1.0f, 1.0f})));
  EXPECT_EQ(
      ops::roi_align(map, rois.slice(0, 1, 2) - at::tensor({0.0f, 0.01f, 0.0f, 0.01f, 0.0f}), {1, 1, 1.0, 1, false})
          .sum()
          .item<float>(),
      0.0f);
}

TEST(RoiAlignByHand, HasNothingForRegionsThatAreNone) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  const at::Tensor rois = at::tensor({0.0f, kNan,   0.0f,   1.0f,  1.0f,  0.0f, 0.0f, 0.0f, kInfinity, 4.0f,
                                      0.0f, -1e30f, -1e30f, 1e30f, 1e30f, 0.0f, 2.0f, 2.0f, 2.0f,      2.0f})
                              .view({4, 5});
  for (const int64_t ratio : {0, 2}) {
    const at::Tensor pooled = ops::roi_align(at::ones({1, 16, 8, 8}), rois, {2, 2, 1.0, ratio, true});
    EXPECT_EQ(pooled.slice(0, 0, 3).abs().sum().item<float>(), 0.0f);
    // A region without a side has no samples of its own number, but a fixed number of them.
    EXPECT_EQ(pooled[3].sum().item<float>(), ratio == 0 ? 0.0f : 64.0f);
  }
}

TEST(RoiAlignByHand, AveragesRegionsMuchLargerThanTheMapInLittleTime) {
  const at::Tensor roi = boxes_of({0, -1e9, -1e9, 1e9, 1e9}, at::kDouble, 5);
  const at::Tensor pooled = ops::roi_align(at::ones({1, 1, 8, 8}, at::kDouble), roi, {1, 1, 1.0, 0, true});
  // Samples a pixel apart, of which those from -1 to 8 count along each axis.
  EXPECT_DOUBLE_EQ(pooled.item<double>(), 100.0 / 4e18);
}

struct RoiAlignCase {
  const char* name;
  int64_t channels, height, width;
  ops::RoiAlignOptions options;
};

std::ostream& operator<<(std::ostream& out, const RoiAlignCase& test) { return out << test.name; }

const RoiAlignCase kRoiAligns[] = {
    {"box_heads", 256, 20, 30, {7, 7, 0.25, 2, false}},
    {"mask_heads", 48, 20, 30, {14, 14, 0.25, 2, false}},
    {"an_adaptive_aligned_grid", 32, 20, 30, {7, 7, 0.25, 0, true}},
    {"an_adaptive_grid", 16, 25, 13, {3, 5, 0.25, 0, false}},
    {"one_bin_of_many_samples", 16, 9, 9, {1, 1, 0.1, 5, true}},
    {"channels_that_fill_no_vector", 20, 9, 12, {7, 7, 0.125, 2, true}},
    {"a_single_channel", 1, 9, 12, {2, 2, 0.125, 2, true}},
    {"a_single_pixel", 16, 1, 1, {2, 2, 0.01, 2, false}},
};

class RoiAlign : public testing::TestWithParam<RoiAlignCase> {
 protected:
  static constexpr int64_t kImages = 2, kRois = 17;

  at::Tensor map(at::ScalarType type) const {
    return noise_tensor({kImages, GetParam().channels, GetParam().height, GetParam().width}, 1, type);
  }
  /// Some beyond the map, and one with swapped corners.
  at::Tensor rois(at::ScalarType type) const {
    const at::Tensor rois = noise_rois(kRois, kImages, 3, type, 130, 80);
    return at::cat({rois, boxes_of({1, 50, 50, 30, 20}, type, 5)});
  }
  static at::Tensor reference(const at::Tensor& map, const at::Tensor& rois) {
    const ops::RoiAlignOptions& options = GetParam().options;
    return ops::multiscale_roi_align_reference({map}, rois, at::zeros({rois.size(0)}, at::kLong),
                                               {options.spatial_scale}, options);
  }
};

TEST_P(RoiAlign, AgreesWithTheReference) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    // Sums of up to a hundred products.
    const double tolerance = type == at::kFloat ? 2e-6 : 1e-13;
    const at::Tensor fast = leaf(map(type), type), exact = leaf(map(type), type);
    const at::Tensor pooled = ops::roi_align(fast, rois(type), GetParam().options);
    const at::Tensor expected = reference(exact, rois(type));
    expect_close(pooled, expected, tolerance, "bins");
    EXPECT_TRUE(pooled.is_contiguous(at::MemoryFormat::ChannelsLast));
    const at::Tensor upstream = noise_tensor(pooled.sizes(), 5, type);
    expect_close(gradients_of(pooled, upstream, {fast})[0], gradients_of(expected, upstream, {exact})[0], tolerance,
                 "gradient");
  }
}

TEST_P(RoiAlign, TakesMapsInAnyMemoryOrder) {
  const at::Tensor ordered = map(at::kFloat);
  EXPECT_TRUE(ops::roi_align(ordered.contiguous(), rois(at::kFloat), GetParam().options)
                  .equal(ops::roi_align(ordered, rois(at::kFloat), GetParam().options)));
}

TEST_P(RoiAlign, ReturnsAndReadsEitherMemoryOrder) {
  ops::RoiAlignOptions options = GetParam().options;
  options.order = at::MemoryFormat::Contiguous;
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor input = leaf(map(at::kFloat).to(type), type);
    const at::Tensor ordered = ops::roi_align(input, rois(at::kFloat), GetParam().options);
    const at::Tensor contiguous = ops::roi_align(input, rois(at::kFloat), options);
    EXPECT_TRUE(contiguous.is_contiguous());
    EXPECT_TRUE(contiguous.equal(ordered));
    const at::Tensor upstream = noise_tensor(ordered.sizes(), 5).to(type);
    const at::Tensor expected = gradients_of(ordered, upstream, {input})[0];
    EXPECT_TRUE(gradients_of(contiguous, upstream.contiguous(), {input})[0].equal(expected));
  }
}

TEST_P(RoiAlign, RoundsBfloat16Once) {
  const at::Tensor map = leaf(this->map(at::kFloat).to(at::kBFloat16), at::kBFloat16);
  const at::Tensor pooled = ops::roi_align(map, rois(at::kFloat), GetParam().options);
  const at::Tensor exact = leaf(map, at::kFloat);
  const at::Tensor expected = reference(exact, rois(at::kFloat));
  EXPECT_EQ(pooled.scalar_type(), at::kBFloat16);
  // Half of the last of eight bits.
  expect_close(pooled, expected, 0x1p-8, "bins");
  const at::Tensor upstream = noise_tensor(pooled.sizes(), 5).to(at::kBFloat16);
  const at::Tensor gradient = gradients_of(pooled, upstream, {map})[0];
  EXPECT_EQ(gradient.scalar_type(), at::kBFloat16);
  expect_close(gradient, gradients_of(expected, upstream, {exact})[0], 0x1p-8, "gradient");
}

TEST_P(RoiAlign, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  std::vector<std::vector<at::Tensor>> results;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    const at::Tensor input = leaf(map(at::kFloat), at::kFloat);
    const at::Tensor pooled = ops::roi_align(input, rois(at::kFloat), GetParam().options);
    results.push_back({pooled, gradients_of(pooled, noise_tensor(pooled.sizes(), 5), {input})[0]});
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(results[0][0].equal(results[1][0]));
  EXPECT_TRUE(results[0][1].equal(results[1][1]));
}

INSTANTIATE_TEST_SUITE_P(Shapes, RoiAlign, testing::ValuesIn(kRoiAligns),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(RoiAlignByHand, HasTheGradientOfItsDifferences) {
  const at::Tensor rois = noise_rois(3, 2, 7, at::kDouble, 12, 10);
  for (const int64_t ratio : {0, 2}) {
    expect_gradient_of_differences(
        [&](const at::Tensor& map) { return ops::roi_align(map, rois, {2, 3, 0.5, ratio, true}); },
        noise_tensor({2, 3, 5, 6}, 1, at::kDouble));
  }
}

TEST(MultiscaleRoiAlign, PoolsEachRegionFromItsLevelInTheirOrder) {
  std::vector<at::Tensor> maps;
  std::vector<double> scales;
  for (int64_t i = 0; i < 4; ++i) {
    maps.push_back(leaf(noise_tensor({2, 32, 32 >> i, 48 >> i}, 1 + i), at::kFloat));
    scales.push_back(0.25 / static_cast<double>(1 << i));
  }
  const at::Tensor rois = noise_rois(40, 2, 7, at::kFloat, 128, 90), levels = at::arange(40).remainder(3);
  const ops::RoiAlignOptions options{7, 7, 1.0, 2, false};
  const at::Tensor pooled = ops::multiscale_roi_align(maps, rois, levels, scales, options);
  const at::Tensor expected = ops::multiscale_roi_align_reference(maps, rois, levels, scales, options);
  expect_close(pooled, expected, 2e-6, "bins");
  const at::Tensor upstream = noise_tensor(pooled.sizes(), 5);
  const auto gradients = gradients_of(pooled, upstream, maps), wanted = gradients_of(expected, upstream, maps);
  for (size_t i = 0; i < maps.size(); ++i) expect_close(gradients[i], wanted[i], 2e-6, "gradient of a level");
  EXPECT_EQ(gradients[3].abs().sum().item<float>(), 0.0f);
  for (int64_t k = 0; k < 6; ++k) {
    const int64_t level = levels[k].item<int64_t>();
    const ops::RoiAlignOptions alone{7, 7, scales[level], 2, false};
    EXPECT_TRUE(pooled[k].equal(ops::roi_align(maps[level], rois.slice(0, k, k + 1), alone)[0]));
  }
  const ops::ReferenceScope scope(true);
  EXPECT_TRUE(ops::multiscale_roi_align(maps, rois, levels, scales, options).equal(expected));
}

TEST(MultiscaleRoiAlign, GivesMapsAGradientOfZeroWithoutRegions) {
  for (const bool is_reference : {false, true}) {
    const ops::ReferenceScope scope(is_reference);
    const at::Tensor map = leaf(noise_tensor({1, 16, 4, 4}, 1), at::kFloat);
    const at::Tensor pooled = ops::roi_align(map, at::empty({0, 5}), {7, 7, 1.0, 2, false});
    EXPECT_EQ(pooled.sizes(), at::IntArrayRef({0, 16, 7, 7}));
    EXPECT_TRUE(gradients_of(pooled.sum(), at::ones({}), {map})[0].equal(at::zeros_like(map)));
  }
}

TEST(RoiAlignByHand, RefusesWhatDoesNotFit) {
  const at::Tensor map = at::zeros({2, 16, 4, 4}), rois = boxes_of({1, 0, 0, 4, 4}, at::kFloat, 5);
  const ops::RoiAlignOptions options{7, 7, 1.0, 2, false};
  const auto image = [](double index) { return boxes_of({index, 0, 0, 4, 4}, at::kFloat, 5); };
  EXPECT_EQ(code_of([&] { ops::roi_align(map, at::zeros({1, 4}), options); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::roi_align(map[0], rois, options); }), "SHAPE_MISMATCH");
  EXPECT_EQ(code_of([&] { ops::roi_align(at::zeros({2, 16, 0, 4}), rois, options); }), "SHAPE_MISMATCH");
  for (const double index : {-1.0, 2.0, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(code_of([&] { ops::roi_align(map, image(index), options); }), "INVALID_ARGUMENT") << index;
  EXPECT_EQ(code_of([&] { ops::roi_align(map, rois, {0, 7, 1.0, 2, false}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::roi_align(map, rois, {7, 7, 1.0, -1, false}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::roi_align(map, rois, {7, 7, 1.0, 1000000, false}); }), "INVALID_ARGUMENT");
  const auto at_level = [&](int64_t level) {
    return code_of([&] { ops::multiscale_roi_align({map}, rois, at::full({1}, level, at::kLong), {1.0}, options); });
  };
  EXPECT_EQ(at_level(1), "INVALID_ARGUMENT");
  EXPECT_EQ(at_level(-1), "INVALID_ARGUMENT");
  const at::Tensor levels = at::zeros({1}, at::kLong);
  EXPECT_EQ(code_of([&] { ops::multiscale_roi_align({map, map}, rois, levels, {1.0}, options); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { ops::multiscale_roi_align({map, map[0].unsqueeze(0)}, rois, levels, {1.0, 1.0}, options); }),
            "SHAPE_MISMATCH");
}

}  // namespace
}  // namespace reviewkd::tests::roi_align
