#pragma once
// One training: a network or a distiller, its optimizer, and where it stands. Steps and epochs run on the thread of the
// caller, which the binding gives to each session.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data/batch_source.h"
#include "core/distillation/distiller.h"
#include "core/training/device_step.h"
#include "core/training/learning_rate.h"
#include "core/training/losses.h"
#include "core/training/pass.h"
#include "core/training/precision.h"
#include "core/training/sgd.h"

namespace reviewkd {

struct SessionOptions {
  SgdOptions optimizer;
  Precision precision = Precision::kFloat32;
  /// Parts that a batch is split into; their gradients are averaged before the step.
  int64_t accumulate = 1;
  /// Upper bound of the gradients' L2 norm.
  std::optional<double> clip_norm;
  /// Threads of one operation; 0: as many as there are cores.
  int threads = 0;
  /// Take the readable reference of every operation instead of its fast path.
  bool reference = false;
};

/// Where the seconds of a step went; parts of a batch are summed up. On a CUDA device, until the work was handed over; with the plugin's kernels
/// a step is handed over in one, and all of it stands at `backward`.
struct StepSeconds {
  double teacher = 0;
  double student = 0;
  /// The methods' forward passes and the losses' values.
  double method = 0;
  double backward = 0;
  double optimizer = 0;
};

struct StepResult {
  Losses losses;
  StepSeconds seconds;
  int64_t step = 0;
  double learning_rate = 0;
  std::optional<double> gradient_norm;
};

struct EpochOptions {
  int64_t epoch = 0;
  int64_t epochs = 1;
  int64_t batch_size = 128;
  uint64_t seed = 0;
  bool augment = true;
  Schedule schedule;
};

/// Where an epoch stands. Sums run over its images so far.
struct EpochState {
  int64_t epoch = 0;
  int64_t step = 0;
  int64_t steps = 1;
  int64_t images = 0;
  int64_t correct = 0;
  Losses sums;
  /// Images that stood for others, which could not be read.
  int64_t replaced = 0;
  double learning_rate = 0;
  double seconds = 0;
  /// Of these, how long the trainer waited for batches.
  double stall_seconds = 0;

  /// On a device with the plugin's kernels: whether the last step was a recorded one that was replayed, or why it was none.
  std::optional<bool> replayed;
  std::string why_not_replayed;

  /// `sums` divided by the number of images.
  Losses means() const;
};

using EpochProgress = std::function<void(const EpochState&)>;

class Session {
 public:
  /// Trains the student under its teacher.
  Session(std::shared_ptr<Distiller> distiller, const SessionOptions& options);
  /// Trains a network with cross entropy alone.
  Session(std::shared_ptr<Network> network, const SessionOptions& options);

  /// One optimizer step. images: [N, 3, H, W]; labels: [N], int64. Throws NON_FINITE_LOSS, naming step and term, before a
  /// parameter is changed; SHAPE_MISMATCH, LABEL_OUT_OF_RANGE, BATCH_TOO_SMALL.
  StepResult step(const at::Tensor& images, const at::Tensor& labels);

  /// Runs an epoch, or the rest of it where `state()` stands within this epoch. A last batch of a single image is left
  /// out. Throws ABORTED after the step during which `stop` was set (on a device, after two steps more, or twice 20 ms of short ones); the epoch can then be continued, in as many steps
  /// as it was begun with (INVALID_ARGUMENT). `progress` hears of every step; on a device with the plugin's kernels of the first and
  /// the last, a few times a second, and where `asked` says that somebody waits for it, for only then is anything read back. NON_FINITE_LOSS
  /// comes as late there, and names the step that it was.
  EpochState train_epoch(const ImageSet& images, const EpochOptions& options, const EpochProgress& progress,
                         const std::atomic<bool>& stop, const std::function<bool()>& asked = {});

  /// Gradients of the last step, clipped, by the names of `named_parameters`.
  NamedTensors gradients() const;

  /// All that training changes: "student.*" and the methods' parameters, or the network's own; with a teacher in train
  /// mode its statistics as "teacher.*"; velocities as "optimizer.*".
  NamedTensors training_state() const;

  /// The epoch that decides the method's warm-up in steps of one's own loop. What was done of another epoch is forgotten.
  void set_epoch(int64_t epoch);
  void set_learning_rate(double rate) { learning_rate_ = rate; }

  const EpochState& state() const { return state_; }
  int64_t steps() const { return steps_; }
  double learning_rate() const { return learning_rate_; }
  /// Goes on from a checkpoint.
  void restore(const EpochState& state, int64_t steps, double learning_rate);
  /// Kinds of the methods that it trains with; none without a teacher.
  std::vector<std::string> term_kinds() const;

  /// The teacher, where training leaves it as it is; nothing without one, or where its statistics move.
  std::shared_ptr<Network> frozen_teacher() const;

  /// The teacher whose statistics training updates, which are a part of its state; none otherwise.
  Network* moving_teacher() const;

  /// What a checkpoint knows of the frozen teacher, and the state that it was taken of; empty at first.
  struct TeacherChecksum {
    StateVersion of;
    std::string text;
  };
  TeacherChecksum& known_teacher_checksum() const { return teacher_checksum_; }

  Network& network() const { return *network_; }
  const std::shared_ptr<Network>& shared_network() const { return network_; }
  const SessionOptions& options() const { return options_; }

  /// Makes the calling thread compute with this session's number of threads.
  void use_threads() const;

 private:
  Pass forward(const at::Tensor& images, const at::Tensor& labels);
  StepResult run_step(const at::Tensor& images, const at::Tensor& labels);
  /// Steps on a device: `hand_over(weights)` gives them to it and returns their number.
  template <typename HandOver>
  int64_t run_on_device(const HandOver& hand_over);
  /// Throws DEVICE_MISMATCH if another session has moved a network.
  void check_devices() const;
  /// values: as Pass::values has them.
  Losses losses_of(const double* values, const std::vector<double>& weights) const;
  /// What steps on this device go through, where they go beside the host.
  DeviceStep* device_step();
  /// Reads back what the device's last step gave, or its steps of this epoch. Throws NON_FINITE_LOSS.
  void complete(StepResult& result);
  void settle();
  void check_reported(const DeviceReport& report);
  /// What stands beside `Losses::distillation`: λ of the one method, 1 for a sum, 0 without a teacher.
  double overall_weight(const std::vector<double>& weights) const;
  std::vector<double> weights() const;
  void check_finite(const Losses& losses, int64_t step) const;
  void check_norm(double norm, int64_t step) const;
  void check_batch(const at::Tensor& images, const at::Tensor& labels) const;
  void add_to_epoch(const StepResult& result, const Batch& batch);
  double rate_at(const EpochOptions& options, int64_t step) const;
  /// Steps that a device may be given at a time; is_awaited: whether a stop or a report is waited for.
  int64_t steps_at_once(bool is_awaited) const;

  std::shared_ptr<Distiller> distiller_;
  std::shared_ptr<Network> network_;
  SessionOptions options_;
  Sgd optimizer_;
  EpochState state_;
  int64_t steps_ = 0;
  int64_t correct_ = 0;  // of the last step
  double learning_rate_;
  std::unique_ptr<DeviceStep> device_step_;
  std::optional<at::Device> device_;  // that device_step_ was made for
  at::Tensor picks_;                  // see open_on
  double seconds_per_step_ = 0;       // on a device, as it was last read back; 0 before that
  mutable TeacherChecksum teacher_checksum_;
};

/// Parameters of the student and the methods under their published names ("student.*", "abfs.*"; "methods.0.abfs.*" of a sum).
NamedTensors distiller_state(const Distiller& distiller);

/// Throws DTYPE_MISMATCH, SHAPE_MISMATCH or LABEL_OUT_OF_RANGE unless `labels` are [N], int64, one of `classes` for each image.
void check_labels(const at::Tensor& labels, const at::Tensor& images, int64_t classes);

}  // namespace reviewkd
