// Several batches for one optimizer step. The network has no batch statistics: the step is that of one batch of all
// images.
#include <gtest/gtest.h>

#include <atomic>

#include "core/base/error.h"
#include "core/training/session.h"
#include "tests/training/regression_task.h"

namespace reviewkd::tests::accumulation {
namespace {

const std::atomic<bool> kNoStop{false};
/// Float64 sums in another order: some roundings of 2^-53.
constexpr double kTolerance = 1e-13;

SessionOptions options_with(int64_t accumulate_batches, int64_t micro_batches = 1) {
  SessionOptions options;
  options.optimizer.learning_rate = 0.05;
  options.micro_batches = micro_batches;
  options.accumulate_batches = accumulate_batches;
  options.clip_norm = 0.7;
  options.threads = 1;
  return options;
}

struct Trained {
  NamedTensors weights;
  EpochState state;
};

Trained trained(const ImageSet& set, int64_t batch_size, const SessionOptions& options, int64_t epochs = 2) {
  const auto network = tiny_network(7);
  Session session(network, std::make_shared<RegressionTask>(), options);
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    session.train_epoch(set, epoch_of(epoch, epochs, batch_size, ScheduleKind::kCosine), {}, kNoStop);
  }
  return {detached_copy(session.training_state()), session.state()};
}

void expect_close(const Trained& actual, const Trained& expected) {
  ASSERT_EQ(actual.weights.size(), expected.weights.size());
  for (size_t i = 0; i < expected.weights.size(); ++i) {
    EXPECT_LE((actual.weights[i].second - expected.weights[i].second).abs().max().item<double>(), kTolerance)
        << expected.weights[i].first;
  }
  EXPECT_EQ(actual.state.step, expected.state.step);
  EXPECT_EQ(actual.state.steps, expected.state.steps);
  EXPECT_EQ(actual.state.sums.images, expected.state.sums.images);
  const auto sums = actual.state.sums.losses.loss_vector(), others = expected.state.sums.losses.loss_vector();
  // The largest error of a batch is no mean over images.
  EXPECT_NEAR(sums[0], others[0], 1e-10);
}

TEST(Accumulation, TakesTheStepsOfOneLargeBatch) {
  expect_close(trained(vector_set(24), 4, options_with(3)), trained(vector_set(24), 12, options_with(1)));
}

TEST(Accumulation, AveragesTheBatchesThatAreLeftAtTheEndOfAnEpoch) {
  // Batches of 4, 4, 4 | 4, 3.
  const Trained some = trained(vector_set(19), 4, options_with(3));
  EXPECT_EQ(some.state.steps, 2);
  expect_close(some, trained(vector_set(19), 12, options_with(1)));
}

TEST(Accumulation, DropsALastBatchOfASingleImage) {
  const Trained some = trained(vector_set(17), 4, options_with(3));
  EXPECT_EQ(some.state.sums.images, 16);
  expect_close(some, trained(vector_set(16), 4, options_with(3)));
}

TEST(Accumulation, SplitsEachBatchIntoMicroBatches) {
  expect_close(trained(vector_set(24), 6, options_with(2, 3)), trained(vector_set(24), 12, options_with(1)));
}

TEST(Accumulation, CountsOptimizerSteps) {
  const auto network = tiny_network(7);
  Session session(network, std::make_shared<RegressionTask>(), options_with(4));
  std::vector<int64_t> steps;
  session.train_epoch(
      vector_set(22), epoch_of(0, 1, 2), [&](const EpochState& state) { steps.push_back(state.step); }, kNoStop);
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(session.steps(), 3);
}

TEST(Accumulation, ContinuesAStoppedEpochBitForBit) {
  const ImageSet set = vector_set(22);
  const EpochOptions epoch = epoch_of(0, 2, 2, ScheduleKind::kCosine);
  const auto task = std::make_shared<RegressionTask>();
  Session whole(tiny_network(7), task, options_with(4)), parts(tiny_network(7), task, options_with(4));
  whole.train_epoch(set, epoch, {}, kNoStop);
  for (const int64_t step : {1, 2}) {
    const std::atomic<bool> stop{true};  // after one step
    EXPECT_THROW(parts.train_epoch(set, epoch, {}, stop), Error);
    EXPECT_EQ(parts.state().step, step);
  }
  parts.train_epoch(set, epoch, {}, kNoStop);
  EXPECT_EQ(parts.state().sums.losses.loss_vector(), whole.state().sums.losses.loss_vector());
  const auto expected = whole.training_state(), actual = parts.training_state();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(actual[i].second.equal(expected[i].second)) << expected[i].first;
}

TEST(Accumulation, TakesOneStepOfTheCallersBatches) {
  const ImageSet set = vector_set(9);
  const auto task = std::make_shared<RegressionTask>();
  Session several(tiny_network(7), task, options_with(1)), one(tiny_network(7), task, options_with(1));
  const auto source = set.open({.batch_size = 6});
  const Batch first = *source->next(), second = *source->next();
  const StepResult result = several.step({first, second});
  const StepResult expected = one.step({*set.open({.batch_size = 9})->next()});
  EXPECT_EQ(result.step, 1);
  EXPECT_NEAR(result.losses.total, expected.losses.total, kTolerance);
  EXPECT_NEAR(*result.gradient_norm, *expected.gradient_norm, kTolerance);
  EXPECT_THROW(several.step({}), Error);
}

TEST(Accumulation, SplitsBatchesIntoPartsOfAlmostEqualSizes) {
  EXPECT_EQ(parts_of({5}, 2), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(parts_of({4, 3}, 1), (std::vector<int64_t>{4, 3}));
  EXPECT_EQ(parts_of({4, 1}, 3), (std::vector<int64_t>{1, 1, 2, 1}));
}

}  // namespace
}  // namespace reviewkd::tests::accumulation
