#pragma once
// Accuracy and mean cross entropy of a network over a set of images.

#include <atomic>
#include <functional>
#include <vector>

#include "core/data/batch_source.h"
#include "core/models/backbone.h"
#include "core/training/precision.h"

namespace reviewkd {

/// Images of one class, and how many of them were told right.
struct ClassScore {
  int64_t samples = 0;
  int64_t correct = 0;
};

struct Evaluation {
  double top1 = 0;  // percent
  double top5 = 0;  // percent; with fewer than five classes, the share within all of them
  double loss = 0;  // mean cross entropy
  int64_t samples = 0;
  std::vector<ClassScore> per_class;  // one for each class of the network
};

struct EvaluationOptions {
  int64_t batch_size = 256;
  Precision precision = Precision::kFloat32;
  /// As in SessionOptions.
  bool reference = false;
};

/// Told after each batch how many images are done.
using EvaluationProgress = std::function<void(int64_t done)>;

/// Runs the network in inference mode over all images, without augmentation. Throws ABORTED after the batch during
/// which `stop` was set, SHAPE_MISMATCH where the data set has more classes than the network.
Evaluation evaluate(Network& network, const ImageSet& images, const EvaluationOptions& options,
                    const EvaluationProgress& progress, const std::atomic<bool>& stop);

/// Throws SHAPE_MISMATCH unless the network can tell the data set's classes apart.
void check_classes(const BackboneImpl& network, const ImageSet& images);

}  // namespace reviewkd
