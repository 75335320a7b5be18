#pragma once
// The costs of a pair of networks: arithmetic for one image, and memory for a training step.

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/distillation/distiller.h"

namespace reviewkd {

struct PairCost {
  // Multiply-adds of one image's forward pass; see count_multiply_adds.
  int64_t teacher_multiply_adds = 0;
  int64_t student_multiply_adds = 0;
  int64_t training_only_multiply_adds = 0;

  // Bytes while a batch is trained on.
  /// Parameters and statistics of teacher, student and methods.
  int64_t state_bytes = 0;
  /// The optimizer's.
  int64_t momentum_bytes = 0;
  /// Images, activations, gradients and temporary values, at most.
  int64_t step_bytes = 0;
  /// All of the above with what the allocator rounds up by and keeps for reuse: what the process takes from the system.
  int64_t mapped_bytes = 0;
};

/// Runs the pair on noise. Memory is that of steps with two small batches, from which the wanted batch size is
/// extrapolated, moment by moment, on the reference path: the fast one takes less. `distiller` is on the CPU and of use
/// for this alone: running statistics move, parameters stay. Throws ABORTED after the step during which `stop` was set.
PairCost profile_pair(const std::shared_ptr<Distiller>& distiller, ImageSize image, int64_t batch_size,
                      const std::atomic<bool>& stop);

}  // namespace reviewkd
