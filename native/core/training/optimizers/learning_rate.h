#pragma once
// The learning rate as a pure function of the position in training.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/options.h"

namespace reviewkd {

enum class ScheduleKind { kConstant, kMultiStep, kCosine };

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  /// Multi-step: multiplied by `factor` after each of these epoch indices.
  std::vector<int64_t> milestones;
  double factor = 0.1;
  /// Cosine: what remains of the full rate at the end.
  double final_scale = 0.0;
  /// Multi-step: as `milestones`, but optimizer steps, counted from 0 over the training; the first step at the lower
  /// rate.
  std::vector<int64_t> milestone_steps;
  /// Rises linearly from 0 over so many epochs.
  double warmup_epochs = 0.0;
  /// Rises linearly over so many optimizer steps, from `warmup_factor` of the rate at the first.
  int64_t warmup_steps = 0;
  double warmup_factor = 0.0;

  static Schedule from(const Options& options);
};

/// Where a step lies: `step` of `steps` in `epoch` of `epochs`, all counted from 0. `steps` are those of a whole epoch,
/// also in the last one, which `max_steps` of the training may end earlier.
struct StepPosition {
  int64_t epoch = 0;
  int64_t epochs = 1;
  int64_t step = 0;
  int64_t steps = 1;
  std::optional<int64_t> max_steps = std::nullopt;

  /// Counted over the training.
  int64_t global_step() const { return epoch * steps + step; }
  /// How many epochs the training takes, with a fraction if it ends within one.
  double length() const;
};

/// The factor of the full learning rate. The official code lowers the rate *after* a milestone: with milestones
/// 150, 180, 210 the phases last 151, 30, 30 and 29 of 240 epochs.
double learning_rate_scale(const Schedule& schedule, const StepPosition& position);

}  // namespace reviewkd
