#pragma once
// The costs of a pair of networks: arithmetic for one image, and memory for a training step.

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/distillation/distiller.h"

namespace reviewkd {

struct NetworkCost {
  /// Of one image's forward pass; see count_multiply_adds. Of a detector as `DetectorImpl::run_heads` has it.
  int64_t multiply_adds = 0;
  /// Of a detector, as a part of it: the backbone with the pyramid, which is all that distillation runs of a teacher. 0
  /// of a classifier.
  int64_t pyramid_multiply_adds = 0;
  int64_t pyramid_parameters = 0;
};

/// Of one image of this size, which is not resized. Throws SHAPE_MISMATCH for a size that the network does not support.
NetworkCost count_arithmetic(Network& network, ImageSize size);

struct PairCost {
  /// Of the networks' input: of a detector with padding.
  ImageSize input_size{};
  NetworkCost teacher, student;
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
  /// The batch sizes of the steps from which the last two were extrapolated; the wanted one alone if it was measured.
  std::vector<int64_t> measured_batches;
};

/// Runs the pair on noise. Memory is that of steps with two small batches, from which the wanted batch size is
/// extrapolated. Of classifiers moment by moment, on the reference path: the fast one takes less. Of detectors the peak,
/// on the fast path: the allocations of their steps depend on what they find; images are not resized, and have a few
/// objects each. `distiller` is on the CPU and of use for this alone: running statistics move, parameters stay. Throws
/// ABORTED after the step during which `stop` was set.
PairCost profile_pair(const std::shared_ptr<Distiller>& distiller, ImageSize image, int64_t batch_size,
                      const std::atomic<bool>& stop);

}  // namespace reviewkd
