// The outputs of a region proposal network for a sample of anchors, compared with those for all of them.
#include <gtest/gtest.h>

#include <numeric>

#include "core/models/detection/heads/rpn.h"
#include "core/ops/backend/allocator.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::rpn {
namespace {

using namespace detection;  // NOLINT(google-build-using-namespace)

constexpr int64_t kImages = 2, kChannels = 32, kAnchors = 3;

struct Level {
  int64_t height, width;
};

int64_t anchors_of(const std::vector<Level>& levels) {
  return std::accumulate(levels.begin(), levels.end(), int64_t{0},
                         [](int64_t sum, const Level& level) { return sum + level.height * level.width * kAnchors; });
}

RpnHead head_of(at::ScalarType type) {
  RpnHead head(kChannels, kAnchors);
  head->to(type);
  int64_t seed = 100;
  const at::NoGradGuard no_gradient;
  for (at::Tensor& parameter : head->parameters()) parameter.copy_(noise_tensor(parameter.sizes(), ++seed, type, 0.1));
  return head;
}

std::vector<at::Tensor> maps_of(const std::vector<Level>& levels, at::ScalarType type) {
  std::vector<at::Tensor> maps;
  for (const auto& [height, width] : levels) {
    const auto seed = static_cast<int64_t>(maps.size());
    maps.push_back(leaf(noise_tensor({kImages, kChannels, height, width}, seed, type), type));
  }
  return maps;
}

/// The anchors at these indices, in this order.
RpnSample sample_of(const std::vector<int64_t>& images, const std::vector<int64_t>& anchors) {
  RpnSample sample;
  sample.images = at::tensor(images, at::kLong);
  sample.anchors = at::tensor(anchors, at::kLong);
  return sample;
}

/// Corners, edges and the middle of each level, anchors of one position, and none of the last level.
RpnSample few_anchors(const std::vector<Level>& levels) {
  std::vector<int64_t> images, anchors;
  int64_t begin = 0;
  for (const auto& [height, width] : std::vector<Level>(levels.begin(), levels.end() - 1)) {
    for (const int64_t position :
         {int64_t{0}, width - 1, (height - 1) * width, height * width - 1, height / 2 * width + width / 2}) {
      images.push_back(static_cast<int64_t>(images.size()) % kImages);
      anchors.push_back(begin + position * kAnchors + static_cast<int64_t>(anchors.size()) % kAnchors);
    }
    images.push_back(images.back());
    anchors.push_back(anchors.back() / kAnchors * kAnchors + (anchors.back() + 1) % kAnchors);
    begin += height * width * kAnchors;
  }
  // Not level by level.
  std::swap(images.front(), images.back());
  std::swap(anchors.front(), anchors.back());
  return sample_of(images, anchors);
}

struct Results {
  RpnOutput all;
  RpnSampleOutput sampled;
  std::vector<at::Tensor> gradients;  // of levels and parameters
};

Results results_of(RpnHead& head, const std::vector<at::Tensor>& maps, const RpnSample& sample, bool from_all) {
  RpnTrainingOutput output;
  if (from_all) {
    output.all = head(maps);
    const at::Tensor rows = sample.images * output.all.objectness.size(1) + sample.anchors;
    output.sampled = {output.all.objectness.flatten().index_select(0, rows),
                      output.all.deltas.flatten(0, 1).index_select(0, rows)};
    output.levels = maps;
  } else {
    output = head->forward_for_training(maps, sample);
  }
  std::vector<at::Tensor> inputs = maps;
  for (const at::Tensor& parameter : head->parameters()) inputs.push_back(parameter);
  // All levels but the last have another reader.
  std::vector<at::Tensor> values(output.levels.begin(), output.levels.end() - 1), upstream;
  values.push_back(at::cat({output.sampled.objectness.unsqueeze(1), output.sampled.deltas}, 1));
  for (const at::Tensor& value : values) {
    const auto seed = static_cast<int64_t>(upstream.size());
    upstream.push_back(noise_tensor(value.sizes(), seed, value.scalar_type()));
  }
  return {output.all, output.sampled, torch::autograd::grad(values, inputs, upstream)};
}

void expect_same_results(const std::vector<Level>& levels, const RpnSample& sample, at::ScalarType type,
                         double tolerance) {
  RpnHead head = head_of(type);
  const auto maps = maps_of(levels, type);
  const Results actual = results_of(head, maps, sample, false), expected = results_of(head, maps, sample, true);
  expect_close(actual.all.objectness, expected.all.objectness, tolerance, "scores of all");
  expect_close(actual.all.deltas, expected.all.deltas, tolerance, "deltas of all");
  expect_close(actual.sampled.objectness, expected.sampled.objectness, tolerance, "scores");
  expect_close(actual.sampled.deltas, expected.sampled.deltas, tolerance, "deltas");
  for (size_t i = 0; i < expected.gradients.size(); ++i)
    expect_close(actual.gradients[i], expected.gradients[i], tolerance, "gradient");
}

const std::vector<Level> kLevels = {{12, 20}, {6, 10}, {1, 3}};

TEST(RpnHead, ComputesFewAnchorsAsItComputesAll) {
  // Sums of 288 products; Winograd's transforms lose a digit of float32.
  expect_same_results(kLevels, few_anchors(kLevels), at::kDouble, 1e-13);
  expect_same_results(kLevels, few_anchors(kLevels), at::kFloat, 2e-5);
}

TEST(RpnHead, ComputesManyAnchorsFromAll) {
  std::vector<int64_t> images, anchors;
  for (int64_t k = 0; k < kImages * anchors_of(kLevels); ++k) {
    images.push_back(k % kImages);
    anchors.push_back(k / kImages);
  }
  expect_same_results(kLevels, sample_of(images, anchors), at::kDouble, 1e-13);
}

TEST(RpnHead, GivesMapsAndParametersAGradientOfZeroWithoutAnchors) {
  RpnHead head = head_of(at::kFloat);
  const auto maps = maps_of(kLevels, at::kFloat);
  const RpnSampleOutput output = head->forward_for_training(maps, sample_of({}, {})).sampled;
  std::vector<at::Tensor> inputs = maps;
  for (const at::Tensor& parameter : head->parameters()) inputs.push_back(parameter);
  for (const at::Tensor& gradient : gradients_of(output.objectness.sum() + output.deltas.sum(), at::ones({}), inputs))
    EXPECT_EQ(gradient.abs().sum().item<float>(), 0.0f);
}

TEST(RpnHead, SavesNoMapForAFewAnchors) {
  RpnHead head = head_of(at::kFloat);
  const std::vector<Level> levels = {{64, 64}, {32, 32}};
  const auto maps = maps_of(levels, at::kFloat);
  const RpnSample sample = few_anchors(levels);
  AllocationRecorder recorder;
  const RpnTrainingOutput output = head->forward_for_training(maps, sample);
  const auto events = recorder.take();
  // All scores and deltas; squares of the sample, and weights in other orders, are far smaller than a map.
  const int64_t outputs = kImages * anchors_of(levels) * 5 * 4, map_bytes = maps[0].numel() * 4;
  EXPECT_LT(std::accumulate(events.begin(), events.end(), int64_t{0}), outputs + map_bytes / 4);
}

}  // namespace
}  // namespace reviewkd::tests::rpn
