#pragma once
// One training as its user holds it: networks, optimizer, position and number of threads. Steps and epochs run on the
// thread of the caller, which the binding gives to each session.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/training/epoch_runner.h"
#include "core/training/state/training.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {

struct StepResult {
  Losses losses;
  StepSeconds seconds;
  int64_t step = 0;
  double learning_rate = 0;
  std::optional<double> gradient_norm;
};

class Session {
 public:
  /// Trains the student under its teacher.
  Session(std::shared_ptr<Distiller> distiller, std::shared_ptr<const Task> task, const SessionOptions& options);
  /// Trains a network by its task's losses alone.
  Session(std::shared_ptr<Network> network, std::shared_ptr<const Task> task, const SessionOptions& options);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// One optimizer step by the mean gradient over the images of all batches, of which there is one or more. Throws
  /// NON_FINITE_LOSS, naming step and loss, before a parameter is changed; SHAPE_MISMATCH, BATCH_TOO_SMALL, and what
  /// `Task::check_targets` throws.
  StepResult step(const std::vector<Batch>& batches);

  /// Runs an epoch, or the rest of it if `state()` stands within this epoch. A step takes `accumulate_batches` batches,
  /// the last one of the epoch what is left; a last batch of a single image is dropped. Throws ABORTED after the step
  /// during which `stop` was set (on a device, after two steps more, or twice 20 ms of short ones); the epoch can then
  /// be continued, in as many steps as it was begun with (INVALID_ARGUMENT).
  /// With other processes, all of them stop after the same step once `stop` is set in one.
  /// `progress` is called after every step; on a device with the plugin's kernels after the first and the last, a few
  /// times a second, and when `is_report_due` returns true, since only then is anything read back. NON_FINITE_LOSS
  /// comes as late there, and names the step that it was.
  EpochState train_epoch(const TrainingImages& images, const EpochOptions& options, const EpochProgress& progress,
                         const std::atomic<bool>& stop, const std::function<bool()>& is_report_due = {},
                         const std::function<void()>& between_steps = {});

  /// Gradients of the last step, clipped, by the names of `named_parameters`.
  NamedTensors gradients() const;

  /// All that training changes: "student.*" and the methods' parameters, or the network's own; with a teacher in train
  /// mode its statistics as "teacher.*"; values in addition to the state dict as "training.*"; momentum buffers as
  /// "optimizer.*".
  NamedTensors training_state() const;

  /// The epoch that decides the method's warm-up in steps of the caller's own loop. Discards the steps of another
  /// epoch.
  void set_epoch(int64_t epoch);
  void set_learning_rate(double rate) { training_.learning_rate = rate; }

  const EpochState& state() const { return training_.state; }
  int64_t steps() const { return training_.steps; }
  double learning_rate() const { return training_.learning_rate; }
  /// Continues from a checkpoint.
  void restore(const EpochState& state, int64_t steps, double learning_rate);
  /// From now on it trains with other processes, which call the same functions. Precedes the first step.
  void join(std::unique_ptr<Peers> peers) { training_.peers = std::move(peers); }
  /// Drops the connections to them after an error, so that they do not wait. No step can be taken afterwards.
  void leave_peers();
  /// Throws PROCESS_LOST after `leave_peers`.
  void check_peers() const;
  /// Null without any.
  Peers* peers() const { return training_.peers.get(); }

  /// Kinds of the methods that it trains with; none without a teacher.
  std::vector<std::string> term_kinds() const;

  /// Null without one.
  std::shared_ptr<Network> shared_teacher() const;

  /// The teacher, if training leaves it as it is; null without one, or if its statistics move.
  std::shared_ptr<Network> frozen_teacher() const;

  /// The teacher whose statistics training updates, which are a part of its state; null otherwise.
  Network* moving_teacher() const;

  /// The checksum of the frozen teacher that the last checkpoint recorded, and the state that it was taken of; empty at
  /// first.
  struct TeacherChecksum {
    StateVersion of;
    std::string text;
  };
  TeacherChecksum& known_teacher_checksum() const { return teacher_checksum_; }

  /// Parameters that the optimizer changes, in the order of the state dict.
  const NamedTensors& trained_parameters() const { return training_.optimizer.parameters(); }
  Losses zero_losses() const { return training_.objective.zero_losses(); }

  Network& network() const { return training_.objective.network(); }
  const std::shared_ptr<Network>& shared_network() const { return training_.objective.shared_network(); }
  const Task& task() const { return training_.objective.task(); }
  const std::shared_ptr<const Task>& shared_task() const { return training_.objective.shared_task(); }
  const SessionOptions& options() const { return training_.options; }

  /// Makes the calling thread compute with this session's number of threads.
  void use_threads() const;

 private:
  /// How this session takes steps on the device of its networks.
  TrainStep& train_step();
  void check_batch(const Batch& batch) const;
  /// The images of each of the batches in all processes; none without others. Throws INVALID_ARGUMENT.
  std::vector<int64_t> images_of_all(const std::vector<Batch>& batches) const;

  Training training_;
  std::unique_ptr<TrainStep> step_;
  std::optional<at::Device> device_;  // of step_
  at::Tensor picks_;                  // see open_on
  double seconds_per_step_ = 0;       // on a device, at the last read; 0 before that
  mutable TeacherChecksum teacher_checksum_;
  bool has_left_peers_ = false;
};

}  // namespace reviewkd
