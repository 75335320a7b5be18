#pragma once
// A step whose operations run as they are called, and whose losses are read back before its backward pass.

#include "core/training/state/training.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {

class EagerStep : public TrainStep {
 public:
  /// The training outlives it.
  explicit EagerStep(Training& training) : training_(training) {}

  void begin_schedule(const StepSchedule& schedule) override { schedule_ = schedule; }
  void begin_sums(const EpochSums& sums) override;
  void run(const std::vector<Batch>& batches, const std::vector<double>& weights) override;
  StepReport read() override { return report_; }
  bool has_steps() const override { return has_steps_; }

 private:
  /// The sum of the task's training metric over the part. share: of the step's images.
  double run_part(const ImageBatch& images, const Targets& targets, double share, const std::vector<double>& weights,
                  uint64_t seed);
  void run_optimizer();

  Training& training_;
  StepSchedule schedule_;
  StepReport report_;
  bool has_steps_ = false;
};

}  // namespace reviewkd
