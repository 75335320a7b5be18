#pragma once
// The metrics of a task over a set of images.

#include <atomic>
#include <functional>

#include "core/models/backbone.h"
#include "core/tasks/task.h"
#include "core/training/state/peers.h"
#include "core/training/state/precision.h"
#include "core/training/state/resident_images.h"

namespace reviewkd {

struct EvaluationOptions {
  int64_t batch_size = 256;
  Precision precision = Precision::kFloat32;
  /// As in SessionOptions.
  bool fused = true;
  /// Threads of one operation; 0: those of the thread.
  int64_t threads = 0;

  static EvaluationOptions from(const Options& options);
};

/// Called after each batch with the number of images processed.
using EvaluationProgress = std::function<void(int64_t done)>;

/// Runs the network in inference mode over all images, without augmentation. Throws ABORTED after the batch during
/// which `stop` was set, and what `Task::check_data` throws.
/// peers: other processes that evaluate the same network, each on batches of its own; all receive the results of all
/// images, and stop together.
Evaluation evaluate(Network& network, const Task& task, const TrainingImages& images, const EvaluationOptions& options,
                    const EvaluationProgress& progress, const std::atomic<bool>& stop, Peers* peers = nullptr);

/// The probability of each class, [N, classes] in float64 on the CPU: the softmax of the logits of inference mode.
/// images: [N, 3, H, W], normalized. Throws SHAPE_MISMATCH, and INVALID_ARGUMENT if logits are no finite numbers.
at::Tensor class_probabilities(Network& network, const at::Tensor& images);

}  // namespace reviewkd
