// A training of a task that the core does not know: steps, epochs, evaluations, the choice of the best and checkpoints.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>

#include "core/base/error.h"
#include "core/checkpoint/training_checkpoint.h"
#include "core/tasks/classification/classification.h"
#include "core/training/evaluator.h"
#include "core/training/session.h"
#include "tests/support/temporary_path.h"
#include "tests/training/regression_task.h"

namespace reviewkd::tests::second_task {
namespace {

const std::atomic<bool> kNoStop{false};

SessionOptions options_with(double rate) {
  SessionOptions options;
  options.optimizer.learning_rate = rate;
  options.optimizer.weight_decay = 0;
  options.threads = 1;
  return options;
}

double value_of(const Evaluation& evaluation, const std::string& name) {
  for (const auto& [metric, value] : evaluation.metrics) {
    if (metric == name) return value;
  }
  ADD_FAILURE() << "no metric " << name;
  return 0;
}

Evaluation evaluated(Network& network, const ImageSet& set) {
  return evaluate(network, RegressionTask(), set, {.batch_size = 5}, {}, kNoStop);
}

/// By the rule that the task states.
bool is_better(const TaskInfo& info, double value, double before) {
  for (const MetricInfo& metric : info.metrics) {
    if (metric.name == info.primary_metric) return metric.higher_is_better ? value > before : value < before;
  }
  ADD_FAILURE() << "the primary metric is not among the metrics";
  return false;
}

TEST(SecondTask, TrainsAndIsJudgedByItsLowestError) {
  const auto network = tiny_network(3);
  const auto task = std::make_shared<RegressionTask>();
  Session session(network, task, options_with(0.1));
  const ImageSet train = vector_set(64, 1), test = vector_set(33, 2);
  const double at_first = value_of(evaluated(*network, test), "meanError");
  int64_t best_epoch = -1;
  double best = 0;
  std::vector<double> losses, errors;
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    const EpochState state = session.train_epoch(train, epoch_of(epoch, 10, 8), {}, kNoStop);
    losses.push_back(state.mean_losses().total);
    errors.push_back(value_of(evaluated(*network, test), "meanError"));
    if (best_epoch < 0 || is_better(task->info(), errors.back(), best)) {
      best = errors.back();
      best_epoch = epoch;
    }
  }
  EXPECT_LT(losses.back(), losses.front() / 4);
  EXPECT_LT(best, at_first / 2);
  EXPECT_EQ(best, *std::min_element(errors.begin(), errors.end()));
  EXPECT_EQ(errors[static_cast<size_t>(best_epoch)], best);
}

TEST(SecondTask, ReportsItsLossesByNameAndWeight) {
  Session session(tiny_network(3), std::make_shared<RegressionTask>(), options_with(0.05));
  const auto batch = vector_set(6).open({.batch_size = 6})->next();
  const StepResult result = session.step({*batch});
  ASSERT_EQ(result.losses.task.size(), 2u);
  EXPECT_EQ(result.losses.task[0].name, "squaredError");
  EXPECT_EQ(result.losses.task[1].name, "largestError");
  EXPECT_DOUBLE_EQ(result.losses.total, 0.5 * result.losses.task[0].value);
  EXPECT_GT(result.losses.task[1].value, 0);
  EXPECT_EQ(result.losses.distillation, 0);
}

TEST(SecondTask, MeansItsTrainingMetricOverTheImages) {
  const auto network = tiny_network(3);
  Session session(network, std::make_shared<RegressionTask>(), options_with(1e-30));  // as good as no step
  const ImageSet set = vector_set(10);
  const EpochState state = session.train_epoch(set, epoch_of(0, 1, 4), {}, kNoStop);
  EXPECT_EQ(state.sums.images, 10);
  EXPECT_NEAR(state.mean_metric(session.task().info().training_metric->factor),
              value_of(evaluated(*network, set), "meanError"), 1e-12);
}

TEST(SecondTask, EvaluatesOverTheWholeSet) {
  const auto network = tiny_network(3);
  const Evaluation found = evaluated(*network, vector_set(11));
  EXPECT_EQ(found.samples, 11);
  EXPECT_EQ(found.metrics[0].first, "meanError");
  EXPECT_GT(value_of(found, "relativeError"), 0);
  EXPECT_LT(value_of(found, "relativeError"), value_of(found, "meanError"));
}

TEST(SecondTask, RefusesTargetsThatDoNotFit) {
  Session session(tiny_network(3), std::make_shared<RegressionTask>(), options_with(0.1));
  const at::Tensor images = at::zeros({2, 3, kSide, kSide});
  const auto code_of = [&](Targets targets) {
    try {
      session.step({{images, std::move(targets)}});
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "expected an error";
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code_of(std::move(Targets().add("vector", at::zeros({2, 3})))), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of(Targets::labels(at::zeros({2}, at::kLong))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(session.steps(), 0);
}

TEST(SecondTask, NamesTheLossThatIsNotFinite) {
  Session session(tiny_network(3), std::make_shared<RegressionTask>(), options_with(0.1));
  const at::Tensor vectors = at::full({2, kOutputs}, std::nan(""));
  try {
    session.step({{at::zeros({2, 3, kSide, kSide}), std::move(Targets().add("vector", vectors))}});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNonFiniteLoss);
    EXPECT_NE(std::string(error.what()).find("squaredError"), std::string::npos) << error.what();
  }
}

TEST(SecondTask, ContinuesFromACheckpointWithinAnEpoch) {
  const ImageSet set = vector_set(24);
  const EpochOptions epoch = epoch_of(1, 3, 4, ScheduleKind::kCosine);
  const std::string path = temporary_path("reviewkd-second-task");
  const auto whole = tiny_network(5), begun = tiny_network(5), fresh = tiny_network(6);
  const auto task = std::make_shared<RegressionTask>();
  Session reference(whole, task, options_with(0.1)), first(begun, task, options_with(0.1)),
      second(fresh, task, options_with(0.1));
  reference.train_epoch(set, epoch, {}, kNoStop);

  std::atomic<bool> stop{false};
  const auto stop_after_two = [&](const EpochState& state) { stop = state.step == 2; };
  EXPECT_THROW(first.train_epoch(set, epoch, stop_after_two, stop), Error);
  save_checkpoint(first, path, {{"own", "text"}});
  EXPECT_EQ(load_checkpoint(second, path).at("own"), "text");
  const EpochState state = second.train_epoch(set, epoch, {}, kNoStop);
  EXPECT_EQ(state.sums.metric, reference.state().sums.metric);
  EXPECT_EQ(state.sums.losses.loss_vector(), reference.state().sums.losses.loss_vector());
  const auto expected = reference.training_state(), actual = second.training_state();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(actual[i].second.equal(expected[i].second)) << expected[i].first;

  Session other(tiny_network(5), std::make_shared<Classification>(), options_with(0.1));
  try {
    load_checkpoint(other, path);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kStateDictMismatch) << error.what();
  }
  std::filesystem::remove(path);
}

TEST(SecondTask, HasNamesThatResultsDoNotUseOtherwise) {
  TaskInfo info = RegressionTask().info();
  EXPECT_NO_THROW(check_info(info));
  TaskInfo twice = info;
  twice.losses.push_back(twice.losses[0]);
  EXPECT_THROW(check_info(twice), Error);
  TaskInfo reserved = info;
  reserved.losses[0].name = "total";
  EXPECT_THROW(check_info(reserved), Error);
  TaskInfo no_primary = info;
  no_primary.primary_metric = "top1";
  EXPECT_THROW(check_info(no_primary), Error);
}

}  // namespace
}  // namespace reviewkd::tests::second_task
