#pragma once
// The parts of one training, shared by its session, its steps and its epochs.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/training/optimizers/sgd.h"
#include "core/training/state/epoch_state.h"
#include "core/training/state/objective.h"
#include "core/training/state/peers.h"

namespace reviewkd {

struct StepBatches;

struct SessionOptions {
  SgdOptions optimizer;
  Precision precision = Precision::kFloat32;
  /// Of a teacher's forward pass.
  Precision teacher_precision = Precision::kFloat32;
  /// Parts that a batch is split into, one after the other; their gradients are averaged.
  int64_t micro_batches = 1;
  /// Consecutive batches of an epoch whose gradients are averaged for one optimizer step.
  int64_t accumulate_batches = 1;
  /// Upper bound of the gradients' L2 norm.
  std::optional<double> clip_norm;
  /// Threads of one operation; 0: as many as there are cores.
  int threads = 0;
  /// Threads of its own on which a frozen teacher runs ahead of the student; 0: none. Default: see threads_ahead.
  std::optional<int64_t> teacher_threads = std::nullopt;
  /// Whether operations take their fast paths; otherwise their readable references.
  bool fused = true;
  /// Whether batch normalizations take statistics over the images of all processes.
  bool sync_batch_norm = false;

  Precisions precisions() const { return {precision, teacher_precision}; }

  static SessionOptions from(const Options& options);
};

struct Training {
  Training(Objective minimized, const SessionOptions& session_options);

  /// Throws INVALID_ARGUMENT if another session trains the teacher, or has made a teacher of the trained network, and
  /// what `check_devices` throws.
  void check_networks() const;
  /// Throws DEVICE_MISMATCH if another session has moved a network.
  void check_devices() const;

  Objective objective;
  SessionOptions options;
  Sgd optimizer;
  EpochState state;
  /// Optimizer steps since the training began.
  int64_t steps = 0;
  double learning_rate;
  /// The other processes that train with this one; null without any.
  std::unique_ptr<Peers> peers;

  /// This process among all.
  Share share() const { return peers ? peers->share() : Share{}; }
  /// How the images that this process has of a step's batch are split, as `parts_of` does it. With synchronised
  /// statistics all processes make as many parts.
  std::vector<int64_t> parts_of_batch(const StepBatches& step, size_t batch) const;
};

/// How the images of a step are split: the number of images of each part. A batch has at most `micro_batches` parts, of
/// sizes that differ by 1 at most.
std::vector<int64_t> parts_of(const std::vector<int64_t>& batch_sizes, int64_t micro_batches);

/// Parameters of the student and the methods under their published names ("student.*", "abfs.*"; "methods.0.abfs.*" of
/// a sum).
NamedTensors distiller_state(const Distiller& distiller);

}  // namespace reviewkd
