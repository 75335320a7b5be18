#pragma once
// The tasks of detectors: boxes with classes, and masks.

#include "core/data/detection/detection_queue.h"
#include "core/models/detection/detector.h"
#include "core/tasks/task.h"

namespace reviewkd {

/// "two-stage-detection", "one-stage-detection" or "instance-segmentation".
std::string task_name(DetectorKind kind);

class Detection : public Task {
 public:
  explicit Detection(DetectorKind kind);

  const TaskInfo& info() const override { return info_; }

  /// Throws SHAPE_MISMATCH if the data set has other classes than the network.
  void check_data(const BackboneImpl& network, const ImageSet& set) const override;

  /// Throws SHAPE_MISMATCH, DTYPE_MISMATCH, LABEL_OUT_OF_RANGE, or INVALID_ARGUMENT for a box without an area
  /// or outside of its image.
  void check_targets(const BackboneImpl& network, const ImageBatch& images, const Targets& targets) const override;

  TaskLosses losses(const TaskInput& input) const override;

  void complete(const BackboneImpl& network, const ImageSet& set, BatchPlan& plan) const override;

  std::unique_ptr<MetricAccumulator> new_accumulator(const Network& network, const ImageSet& set,
                                                     bool is_deferred) const override;

  /// The number of proposals follows from their values.
  bool is_recordable() const override { return false; }

 private:
  DetectorKind kind_;
  TaskInfo info_;
};

/// The objects of each image of a batch; masks without padding.
std::vector<detection::ImageTargets> targets_by_image(const Targets& targets, const ImageBatch& images);

/// A batch of a detector: images [3, H, W] with values 0 … 1, of any sizes, resized and padded with their targets.
/// Boxes are clipped to their image. Throws SHAPE_MISMATCH, INVALID_ARGUMENT for a box without an area in it.
Batch detection_batch(const detection::DetectorImpl& detector, const std::vector<at::Tensor>& images,
                      const std::vector<detection::ImageTargets>& targets);

}  // namespace reviewkd
