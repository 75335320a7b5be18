#pragma once
// One epoch of a training, or the rest of one: batches, learning rates, reports, and the end.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/training/optimizers/learning_rate.h"
#include "core/training/state/training.h"
#include "core/training/steps/teacher_ahead.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {

struct EpochOptions {
  int64_t epoch = 0;
  int64_t epochs = 1;
  /// Optimizer steps of the whole training: the epoch in which it is reached ends there.
  std::optional<int64_t> max_steps = std::nullopt;
  int64_t batch_size = 128;
  uint64_t seed = 0;
  bool augment = true;
  Schedule schedule;

  static EpochOptions from(const Options& options);
};

/// Who follows an epoch, and what ends it early.
struct EpochControl {
  const EpochProgress& progress;
  const std::atomic<bool>& stop;
  /// Whether a report is requested now, for a checkpoint that waits; may be empty.
  const std::function<bool()>& is_report_due;
  /// Called between two steps, when checkpoints can be saved; with other processes, when one of them waits for it. May
  /// be empty.
  const std::function<void()>& between_steps;
};

class EpochRunner {
 public:
  /// picks: memory that outlives the epoch; see open_on.
  EpochRunner(Training& training, TrainStep& step, const EpochOptions& options, const EpochControl& control,
              at::Tensor& picks);

  /// Brings `training.state` to the end of the epoch. See Session::train_epoch.
  void run(const TrainingImages& images, double& seconds_per_step);

 private:
  /// Where the pass over the images begins: `training.state`, or a new epoch's. Throws INVALID_ARGUMENT,
  /// BATCH_TOO_SMALL.
  BatchPlan begin(const ImageSet& set);
  /// Throws BATCH_TOO_SMALL before the first step if the last batch has too few images to be divided among processes and
  /// micro-batches, which would end the epoch with its last step.
  void check_last_batch(const ImageSet& set) const;
  /// Steps of this epoch: all of it, or those up to `max_steps`. Throws INVALID_ARGUMENT if none are left.
  int64_t steps_to_take() const;
  /// Runs the next step, or several. Returns false once the source has no more batches.
  bool take_steps(const OpenPass& pass, double seconds_per_step);
  bool take_batches(BatchSource& source);
  /// The batches of a step of the epoch, or its end once the source has no more.
  StepBatches read_batches(BatchSource& source, int64_t step) const;
  /// Starts to run the teacher ahead of the student, if it has threads of its own.
  void start_teacher(BatchSource& source);
  /// Reads the steps so far back into `training.state`. Throws NON_FINITE_LOSS.
  void read_back();
  /// Reports, and lets checkpoints be saved.
  void report();
  /// A checkpoint that is saved after an error holds the steps before it.
  template <typename Work>
  auto read_back_on_error(const Work& work);
  /// Runs `work(weights)` with the networks locked.
  template <typename Work>
  auto with_networks(const Work& work);
  double rate_at(int64_t step) const;
  /// Steps that may be handed over at a time.
  int64_t steps_at_once(double seconds_per_step) const;
  bool is_report_due() const { return control_.is_report_due && control_.is_report_due(); }

  Training& training_;
  TrainStep& step_;
  const EpochOptions& options_;
  const EpochControl& control_;
  at::Tensor& picks_;
  int64_t batches_ = 0;     // of this epoch
  int64_t full_steps_ = 0;  // of an epoch that `max_steps` does not end
  int64_t images_ = 0;      // of the set
  // With other processes, after the last step: whether one of them stops or saves.
  bool peer_stops_ = false;
  bool peer_saves_ = false;
  std::unique_ptr<TeacherAhead> teacher_ahead_;
};

/// Restores the training to the step that was not finite, with the sums of the steps before it, and throws
/// NON_FINITE_LOSS.
[[noreturn]] void throw_nonfinite(Training& training, TrainStep& step, const NonFiniteStep& found,
                                  const EpochSums& sums);

}  // namespace reviewkd
