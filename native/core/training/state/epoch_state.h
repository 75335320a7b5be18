#pragma once
// Where a training stands: within an epoch, and what it summed up there.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/training/state/losses.h"

namespace reviewkd {

/// Sums over the images of an epoch so far.
struct EpochSums {
  int64_t images = 0;
  /// Of the task's training metric.
  double metric = 0;
  Losses losses;
};

struct EpochState {
  int64_t epoch = 0;
  /// Optimizer steps done, and those of the whole epoch.
  int64_t step = 0;
  int64_t steps = 1;
  EpochSums sums;
  /// Images that stand for others, which could not be read.
  int64_t replaced = 0;
  double learning_rate = 0;
  double seconds = 0;
  /// Part of `seconds`: how long the trainer waited for batches.
  double data_wait_seconds = 0;

  /// On a device with the plugin's kernels: whether the last step was the replay of a recorded one, or why it was not.
  std::optional<bool> is_replayed;
  std::string why_not_replayed;

  /// Means over the images.
  Losses mean_losses() const;
  /// factor · sum of the task's training metric / images; 0 before the first step.
  double mean_metric(double factor) const;
};

using EpochProgress = std::function<void(const EpochState&)>;

}  // namespace reviewkd
