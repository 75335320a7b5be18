#pragma once
// A step whose operations run as they are called, and whose losses are read back before its backward pass.

#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/training/state/training.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {

class EagerStep : public TrainStep {
 public:
  /// The training outlives it.
  explicit EagerStep(Training& training) : training_(training) {}

  void begin_schedule(const StepSchedule& schedule) override { schedule_ = schedule; }
  void begin_sums(const EpochSums& sums) override;
  void run(StepBatches step, const std::vector<double>& weights) override;
  StepReport read() override { return report_; }
  bool has_steps() const override { return has_steps_; }

 private:
  /// A part of a step's images.
  struct Part {
    ImageBatch images;
    Targets targets;
    /// Of the step's images.
    double share;
    uint64_t seed;
    std::optional<BackboneOutput> teacher;
    /// Whether it is the last one of this process.
    bool is_last;
  };
  /// The sum of the task's training metric over the images of this process.
  double run_batches(StepBatches& step, double count, const std::vector<double>& weights);
  ForwardResult forward(Part& part) const;
  /// The sum of the task's training metric over the part.
  double run_part(Part part, const std::vector<double>& weights);
  /// Throws NON_FINITE_LOSS; with other processes it keeps the first error until all have come so far.
  void check_finite(const Losses& losses);
  /// Sums up what the processes have computed. Returns the sum of the task's training metric. Throws the error of the
  /// first one of which a loss is not finite.
  double agree(const StepBatches& step, double metric);
  void run_optimizer();

  Training& training_;
  StepSchedule schedule_;
  StepReport report_;
  bool has_steps_ = false;
  std::optional<Error> failure_;
};

}  // namespace reviewkd
