// Evaluations that several processes have made of batches in turn: merged, they have the bits of one.
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/tasks/classification/accuracy.h"
#include "core/tasks/detection/coco_evaluator.h"
#include "instances.h"
#include "tests/support/tensors.h"
#include "tests/training/regression_task.h"

namespace reviewkd::tests::merged_evaluations {
namespace {

constexpr int64_t kClasses = 7;

/// Adds batch `number` of 3 images, the last one of 1.
void add_batch(MetricAccumulator& accuracy, int64_t number, int64_t batches) {
  const auto network = tiny_network(1);
  const int64_t images = number + 1 == batches ? 1 : 3;
  BackboneOutput output;
  output.logits = noise_tensor({images, kClasses}, number + 1, at::kFloat, 5);
  const Targets targets = Targets::labels(at::arange(images, at::kLong).add(number).remainder(kClasses));
  accuracy.add({*network->module, output, ImageBatch(at::zeros({images, 3, 1, 1})), targets});
}

void expect_same(const Evaluation& actual, const Evaluation& expected) {
  EXPECT_EQ(actual.samples, expected.samples);
  ASSERT_EQ(actual.metrics.size(), expected.metrics.size());
  for (size_t i = 0; i < expected.metrics.size(); ++i) EXPECT_EQ(actual.metrics[i], expected.metrics[i]);
  ASSERT_EQ(actual.per_class.size(), expected.per_class.size());
  for (size_t i = 0; i < expected.per_class.size(); ++i)
    EXPECT_EQ(actual.per_class[i].values, expected.per_class[i].values) << expected.per_class[i].name;
}

TEST(MergedEvaluations, HaveTheAccuracyOfOneProcess) {
  constexpr int64_t kBatches = 11;
  ImmediateAccuracy whole(kClasses);
  for (int64_t batch = 0; batch < kBatches; ++batch) add_batch(whole, batch, kBatches);
  // With 13 processes, the last ones have no batch.
  for (const int64_t processes : {1, 2, 3, 4, 13}) {
    std::vector<std::string> packed;
    for (int64_t rank = 0; rank < processes; ++rank) {
      ImmediateAccuracy own(kClasses);
      for (int64_t batch = rank; batch < kBatches; batch += processes) add_batch(own, batch, kBatches);
      packed.push_back(own.pack());
    }
    ImmediateAccuracy merged(kClasses);
    // Is replaced.
    add_batch(merged, 0, kBatches);
    merged.merge(packed);
    expect_same(merged.compute(), whole.compute());
  }
}

/// Detections of four categories, many scores equal.
std::vector<ImageInstances> drawn_images(int64_t count) {
  RandomStream stream(9);
  const auto below = [&](uint64_t bound) { return static_cast<double>(stream.below(bound)); };
  std::vector<ImageInstances> images;
  for (int64_t i = 0; i < count; ++i) {
    ImageInstances& image = images.emplace_back();
    image.image = i;
    for (int k = 0; k < 5; ++k) {
      const XywhBox box{below(90), below(90), 4 + below(120), 4 + below(120)};
      const auto category = static_cast<int64_t>(below(4));
      if (below(3) > 0) image.truths.push_back(truth_at(box, category));
      image.detections.push_back(detected_at({box.x + below(9), box.y, box.width, box.height}, below(5) / 5, category));
    }
  }
  return images;
}

TEST(MergedEvaluations, HaveCocosNumbersOfOneProcess) {
  const std::vector<ImageInstances> images = drawn_images(23);
  CocoEvaluator whole(4, OverlapKind::kBoxes);
  whole.add(images);
  const CocoSummary expected = whole.summarize();
  EXPECT_GT(expected.stats.ap, 0);
  for (const size_t processes : {1, 2, 5, 30}) {
    CocoEvaluator merged(4, OverlapKind::kBoxes);
    for (size_t rank = 0; rank < processes; ++rank) {
      CocoEvaluator own(4, OverlapKind::kBoxes);
      for (size_t i = rank; i < images.size(); i += processes) own.add(std::span(images).subspan(i, 1));
      ByteWriter bytes;
      own.images().pack(bytes);
      const std::string text = bytes.take();
      ByteReader reader(text);
      merged.images().unpack(reader);
    }
    const CocoSummary summary = merged.summarize();
    EXPECT_EQ(summary.precision, expected.precision) << processes << " processes";
    EXPECT_EQ(summary.recall, expected.recall);
    EXPECT_EQ(summary.scores, expected.scores);
    EXPECT_EQ(summary.stats.ap, expected.stats.ap);
    EXPECT_EQ(summary.stats.ar_small, expected.stats.ar_small);
  }
}

}  // namespace
}  // namespace reviewkd::tests::merged_evaluations
