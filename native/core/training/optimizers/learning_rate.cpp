#include "core/training/optimizers/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace reviewkd {
namespace {

double scale_after_warmup(const Schedule& schedule, const StepPosition& position) {
  switch (schedule.kind) {
    case ScheduleKind::kConstant: return 1.0;
    case ScheduleKind::kMultiStep: {
      const auto passed = std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                        [&](int64_t milestone) { return position.epoch > milestone; }) +
                          std::count_if(schedule.milestone_steps.begin(), schedule.milestone_steps.end(),
                                        [&](int64_t milestone) { return position.global_step() >= milestone; });
      return std::pow(schedule.factor, static_cast<double>(passed));
    }
    case ScheduleKind::kCosine: {
      const double now = static_cast<double>(position.epoch) +
                         static_cast<double>(position.step) / static_cast<double>(position.steps);
      const double length = std::max(position.length() - schedule.warmup_epochs, 1e-9);
      const double done = std::clamp((now - schedule.warmup_epochs) / length, 0.0, 1.0);
      return schedule.final_scale + (1 - schedule.final_scale) * 0.5 * (1 + std::cos(std::numbers::pi * done));
    }
  }
  return 1.0;
}

}  // namespace

double StepPosition::length() const {
  const auto all = static_cast<double>(epochs);
  return max_steps ? std::min(all, static_cast<double>(*max_steps) / static_cast<double>(steps)) : all;
}

Schedule Schedule::from(const Options& options) {
  Schedule schedule;
  schedule.kind = options.choice<ScheduleKind>("kind", {{"constant", ScheduleKind::kConstant},
                                                        {"multi-step", ScheduleKind::kMultiStep},
                                                        {"cosine", ScheduleKind::kCosine}});
  options.read("milestones", schedule.milestones);
  options.read("milestoneSteps", schedule.milestone_steps);
  options.read("factor", schedule.factor);
  options.read("finalScale", schedule.final_scale);
  options.read("warmupEpochs", schedule.warmup_epochs);
  options.read("warmupSteps", schedule.warmup_steps);
  options.read("warmupFactor", schedule.warmup_factor);
  return schedule;
}

double learning_rate_scale(const Schedule& schedule, const StepPosition& position) {
  double warmup = 1.0;
  if (schedule.warmup_epochs > 0) {
    // The end of the step counts, so that the first step is not lost.
    const double now = static_cast<double>(position.epoch) +
                       static_cast<double>(position.step + 1) / static_cast<double>(position.steps);
    warmup = std::min(1.0, now / schedule.warmup_epochs);
  }
  if (position.global_step() < schedule.warmup_steps) {
    const double done = static_cast<double>(position.global_step()) / static_cast<double>(schedule.warmup_steps);
    warmup *= schedule.warmup_factor * (1 - done) + done;
  }
  return warmup * scale_after_warmup(schedule, position);
}

}  // namespace reviewkd
