// The kernels of detectors of each instruction set (focal_loss/kernel.inl, roi_align/kernel.inl), compared with double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/instruction_sets.h"
#include "tests/support/values.h"

namespace reviewkd::tests::detection_kernels {
namespace {

class DetectionKernels : public KernelTest {
 protected:
  /// Of one rounding to the type of the values.
  double rounding() const { return is_bfloat16() ? 0x1p-8 : 0x1p-23; }
};

struct FocalExpectation {
  double loss, slope;
};

FocalExpectation focal(double logit, bool is_truth, const ops::FocalLoss& loss) {
  const double z = is_truth ? logit : -logit, missed = 1 / (1 + std::exp(z)), surprise = std::log1p(std::exp(-z));
  const double weight = is_truth ? loss.object_weight : loss.background_weight;
  const double modulation = weight * std::pow(missed, loss.gamma);
  const double slope = modulation * (loss.gamma * (1 - missed) * surprise + missed);
  return {modulation * surprise, is_truth ? -slope : slope};
}

TEST_P(DetectionKernels, SumFocalLossesAndTheirSlopes) {
  constexpr int64_t kAnchors = 7;
  for (const int64_t columns : {1, 15, 16, 17, 80}) {
    for (const float gamma : {0.0f, 1.5f, 2.0f}) {
      const ops::FocalLoss loss{0.25f, 0.75f, gamma};
      // Up to ±20.
      Values logits(is_bfloat16(), kAnchors * columns);
      for (int64_t i = 0; i < kAnchors * columns; ++i) logits.set(i, 10 * noise(i, 1));
      std::vector<int64_t> classes;
      for (int64_t a = 0; a < kAnchors; ++a) classes.push_back(a % (columns + 2) - 2);
      Values gradient(is_bfloat16(), kAnchors * columns);
      const ops::FocalKernels& kernels = GetParam().maps->focal;
      const double sum = kernels.sum(loss, logits.data(), classes.data(), kAnchors, columns);
      kernels.gradient(loss, logits.data(), classes.data(), kAnchors, columns, 0.5f, gradient.data());
      double expected = 0;
      for (int64_t i = 0; i < kAnchors * columns; ++i) {
        const int64_t anchor_class = classes[static_cast<size_t>(i / columns)];
        const FocalExpectation wanted = focal(logits[i], anchor_class == i % columns, loss);
        if (anchor_class >= -1) expected += wanted.loss;
        // Five roundings of float32 and, for bfloat16, the last.
        ASSERT_NEAR(gradient[i], anchor_class < -1 ? 0.0 : 0.5 * wanted.slope,
                    (rounding() + 1e-6) * std::max(1.0, std::abs(wanted.slope)))
            << columns << " columns, gamma " << gamma << ", logit " << i;
      }
      EXPECT_NEAR(sum, expected, 2e-6 * std::max(1.0, expected)) << columns << " columns, gamma " << gamma;
    }
  }
}

/// A map of 5 × 6 pixels and a region of 2 × 3 bins, of which one has no pixels.
struct RoiCase {
  static constexpr int64_t kRows = 5, kColumns = 6, kHeight = 2, kWidth = 3;
  std::vector<ops::RoiTap<float>> rows = {{0, 0.25f}, {1, 0.5f}, {2, 0.25f}, {4, 1.0f}},
                                  columns = {{0, 0.125f}, {1, 0.875f}, {5, 0.5f}};
  std::vector<int64_t> row_ends = {0, 3, 4}, column_ends = {0, 2, 2, 3};

  ops::RoiBins<float> bins(int64_t channels) const {
    return {rows.data(), columns.data(), row_ends.data(), column_ends.data(), kHeight, kWidth, kColumns, channels};
  }
  /// Calls work(bin, pixel, weight).
  template <typename Work>
  void each(const Work& work) const {
    for (int64_t bin = 0; bin < kHeight * kWidth; ++bin) {
      const auto y = static_cast<size_t>(bin / kWidth), x = static_cast<size_t>(bin % kWidth);
      for (auto r = static_cast<size_t>(row_ends[y]); r < static_cast<size_t>(row_ends[y + 1]); ++r) {
        for (auto c = static_cast<size_t>(column_ends[x]); c < static_cast<size_t>(column_ends[x + 1]); ++c) {
          work(bin, rows[r].pixel * kColumns + columns[c].pixel,
               static_cast<double>(rows[r].weight) * static_cast<double>(columns[c].weight));
        }
      }
    }
  }
};

TEST_P(DetectionKernels, PoolTheBinsOfARegion) {
  const RoiCase region;
  for (const int64_t channels : {16, 48, 128, 144, 256}) {
    Values map = Values::noise(is_bfloat16(), RoiCase::kRows * RoiCase::kColumns * channels, 1);
    Values out(is_bfloat16(), RoiCase::kHeight * RoiCase::kWidth * channels);
    GetParam().maps->roi_align.pool(region.bins(channels), map.data(), out.data());
    std::vector<double> expected(static_cast<size_t>(RoiCase::kHeight * RoiCase::kWidth * channels), 0.0);
    region.each([&](int64_t bin, int64_t pixel, double weight) {
      for (int64_t c = 0; c < channels; ++c)
        expected[static_cast<size_t>(bin * channels + c)] += weight * map[pixel * channels + c];
    });
    // Sums of six values below 2.
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(out[static_cast<int64_t>(i)], expected[i], 2 * rounding() + 1e-6) << channels << " channels, " << i;
  }
}

TEST_P(DetectionKernels, AddTheGradientOfSomeChannels) {
  const RoiCase region;
  constexpr int64_t kChannels = 64, kFirst = 16, kLast = 48;
  Values gradient = Values::noise(is_bfloat16(), RoiCase::kHeight * RoiCase::kWidth * kChannels, 2);
  std::vector<float> sums = noise_floats(RoiCase::kRows * RoiCase::kColumns * kChannels, 3);
  std::vector<double> expected(sums.begin(), sums.end());
  GetParam().maps->roi_align.add_gradient(region.bins(kChannels), gradient.data(), kFirst, kLast, sums.data());
  region.each([&](int64_t bin, int64_t pixel, double weight) {
    for (int64_t c = kFirst; c < kLast; ++c)
      expected[static_cast<size_t>(pixel * kChannels + c)] += weight * gradient[bin * kChannels + c];
  });
  // A few sums of float32 values below 4.
  for (size_t i = 0; i < sums.size(); ++i) ASSERT_NEAR(sums[i], expected[i], 2e-6) << i;
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, DetectionKernels, testing::ValuesIn(sets_with(&KernelSet::maps)), name_of);

}  // namespace
}  // namespace reviewkd::tests::detection_kernels
