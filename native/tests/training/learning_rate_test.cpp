// The learning rate by position: detectron2's schedules by steps, and the end of a training within an epoch.
#include "core/training/optimizers/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/data/batch_source.h"

namespace reviewkd::tests::learning_rate {
namespace {

Schedule schedule_of(ScheduleKind kind) {
  Schedule schedule;
  schedule.kind = kind;
  return schedule;
}

/// A step of a training whose epochs have 1000 steps.
double scale_at(const Schedule& schedule, int64_t step, std::optional<int64_t> max_steps = std::nullopt) {
  constexpr int64_t kSteps = 1000, kEpochs = 200;
  return learning_rate_scale(schedule, {step / kSteps, kEpochs, step % kSteps, kSteps, max_steps});
}

TEST(LearningRate, FollowsDetectron2sStepsAndWarmUp) {
  Schedule schedule = schedule_of(ScheduleKind::kMultiStep);
  schedule.milestone_steps = {120'000, 160'000};
  schedule.warmup_steps = 1000;
  schedule.warmup_factor = 0.001;
  // WarmupMultiStepLR: factor · (1 - i / 1000) + i / 1000 while i < 1000, and a tenth from each milestone on.
  EXPECT_DOUBLE_EQ(scale_at(schedule, 0), 0.001);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 500), 0.001 * 0.5 + 0.5);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 999), 0.001 * (1 - 0.999) + 0.999);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 1000), 1);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 119'999), 1);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 120'000), 0.1);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 160'000), 0.1 * 0.1);
  // The end of the training changes nothing about it.
  for (const int64_t step : {0, 999, 120'000, 179'999})
    EXPECT_EQ(scale_at(schedule, step, 180'000), scale_at(schedule, step));
}

TEST(LearningRate, EndsTheCosineWithTheTraining) {
  Schedule schedule = schedule_of(ScheduleKind::kCosine);
  schedule.final_scale = 0.2;
  const auto expected = [](double done) { return 0.2 + 0.8 * 0.5 * (1 + std::cos(std::numbers::pi * done)); };
  for (const int64_t step : {0, 1000, 1250, 2499})
    EXPECT_NEAR(scale_at(schedule, step, 2500), expected(static_cast<double>(step) / 2500), 1e-12);
  EXPECT_DOUBLE_EQ(scale_at(schedule, 2500, 2500), 0.2);
  schedule.warmup_epochs = 0.5;
  EXPECT_NEAR(scale_at(schedule, 1500, 2500), expected(0.5), 1e-12);
}

TEST(LearningRate, HasTheBitsOfATrainingWithoutMaxStepsWhereTheEpochsEndFirst) {
  for (const double warmup : {0.0, 0.3}) {
    Schedule schedule = schedule_of(ScheduleKind::kCosine);
    schedule.warmup_epochs = warmup;
    for (const int64_t step : {0, 7, 299, 1501, 199'999}) {
      for (const int64_t max_steps : {200'000, 200'001})
        EXPECT_EQ(scale_at(schedule, step, max_steps), scale_at(schedule, step));
    }
  }
}

TEST(BatchPlan, EndsAfterItsBatches) {
  BatchPlan plan{.batch_size = 4, .smallest_batch = 2};
  EXPECT_EQ(batch_count(18, plan), 5);
  for (const int64_t most : {0, 3, 5}) {
    plan.max_batches = most;
    EXPECT_EQ(batch_count(18, plan), most);
  }
  plan.max_batches = 9;
  EXPECT_EQ(batch_count(18, plan), 5);
}

}  // namespace
}  // namespace reviewkd::tests::learning_rate
