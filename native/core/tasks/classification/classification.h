#pragma once
// The task of classifiers: one label per image, cross entropy, and the share of images whose class is among the most
// likely ones.

#include "core/tasks/task.h"

namespace reviewkd {

class Classification : public Task {
 public:
  const TaskInfo& info() const override;

  /// Throws SHAPE_MISMATCH if the data set has more classes than the network.
  void check_data(const BackboneImpl& network, const ImageSet& set) const override;

  /// As `check_labels`.
  void check_targets(const BackboneImpl& network, const ImageBatch& images, const Targets& targets) const override;

  TaskLosses losses(const TaskInput& input) const override;

  std::unique_ptr<MetricAccumulator> new_accumulator(const Network& network, const ImageSet& set,
                                                     bool is_deferred) const override;
};

/// Throws DTYPE_MISMATCH, SHAPE_MISMATCH or LABEL_OUT_OF_RANGE unless `labels` are [N], int64, one of `classes` for
/// each image.
void check_labels(const at::Tensor& labels, const at::Tensor& images, int64_t classes);

}  // namespace reviewkd
