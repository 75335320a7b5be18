#pragma once
// Optimizer steps of a training, one after the other: on the host as they come, or recorded on a device.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data/batch_source.h"
#include "core/training/state/epoch_state.h"
#include "core/training/state/resident_images.h"

namespace reviewkd::ops {
class DeviceStreams;
}

namespace reviewkd {

/// Where the seconds of a step went, summed up over its micro-batches. On a CUDA device, until the work was handed
/// over; with the plugin's kernels a step is handed over as a whole, and all of it counts as `backward`.
struct StepSeconds {
  double teacher = 0;
  double student = 0;
  /// The methods' forward passes and the values of the losses.
  double method = 0;
  double backward = 0;
  /// Waiting for other processes, and the sum of their gradients.
  double exchange = 0;
  double optimizer = 0;
};

/// The steps to come.
struct StepSchedule {
  /// A learning rate for each step of the epoch.
  std::vector<double> rates;
  /// The place of the next step among them.
  int64_t position = 0;
  /// Steps that were taken since the training began.
  int64_t number = 0;
};

/// The batches of an optimizer step.
struct StepBatches {
  /// The part of each batch that this process has; none of a last batch with fewer images than there are processes.
  std::vector<Batch> batches;
  /// The images of each batch in all processes; empty if this one is alone.
  std::vector<int64_t> images = {};
  /// The teacher's output for each part of them, in order; empty if it has not run.
  std::vector<BackboneOutput> teacher = {};
  /// How long the batches took to arrive.
  double data_wait_seconds = 0;
  /// The source has ended: there is no step.
  bool is_end = false;
  /// Whether this process is asked to stop after the step, or to save a checkpoint: all processes learn of it.
  bool stops = false;
  bool saves = false;
};

/// A step of which a loss or the gradients' norm is not finite. It has changed no parameter, and neither have those
/// behind it.
struct NonFiniteStep {
  int64_t number = 0;
  Losses losses;
  double gradient_norm = 0;
};

struct StepReport {
  /// Of the last step.
  Losses losses;
  std::optional<double> gradient_norm;
  StepSeconds seconds;
  /// Over all finite steps since `begin_sums`, added to what it was given.
  EpochSums sums;
  std::optional<bool> is_replayed;
  std::string why_not_replayed;
  std::optional<NonFiniteStep> first_nonfinite;
  /// With other processes, of the last step: whether one of them stops or saves, and the images that stand for others.
  bool stops = false;
  bool saves = false;
  int64_t replaced = 0;
};

class TrainStep {
 public:
  virtual ~TrainStep() = default;
  TrainStep() = default;
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  /// The streams that its work goes to; null for those of the caller.
  virtual const ops::DeviceStreams* streams() const { return nullptr; }

  /// Whether `run` returns before the work is done, so that reading a report waits for it.
  virtual bool is_deferred() const { return false; }

  virtual void begin_schedule(const StepSchedule& schedule) = 0;
  /// The sums of the steps to come are added to these. Forgets a step that was not finite.
  virtual void begin_sums(const EpochSums& sums) = 0;

  /// One optimizer step by the mean gradient over the images of all batches. weights: λ of each term. The networks are
  /// locked.
  /// Throws NON_FINITE_LOSS, if it is not deferred, before a parameter is changed.
  virtual void run(StepBatches step, const std::vector<double>& weights) = 0;

  /// Whether it takes steps straight from a pass over images on the device.
  virtual bool takes(const ResidentPass&) const { return false; }
  /// As many steps as are handed over at a time, at most `most`, or one. Returns their number.
  virtual int64_t run(ResidentPass& /*pass*/, const std::vector<double>& /*weights*/, int64_t /*most*/) { return 0; }

  /// Waits for the steps so far.
  virtual StepReport read() = 0;
  /// Whether a step was taken since `begin_sums`.
  virtual bool has_steps() const = 0;
};

}  // namespace reviewkd
