#pragma once
// COCO's metrics of a detector over a data set, boxes and masks.

#include "core/tasks/detection/coco_evaluator.h"
#include "core/tasks/task.h"

namespace reviewkd {

/// The twelve numbers of boxes, and with masks those of masks.
std::vector<MetricInfo> detection_metrics(bool has_masks);

/// category_of: of each label of the detector, -1 for those that no category has.
class DetectionMetrics : public MetricAccumulator {
 public:
  DetectionMetrics(std::shared_ptr<const InstanceTable> truths, std::vector<int64_t> category_of, int64_t categories,
                   bool has_masks);

  void add(const TaskInput& input) override;
  Evaluation compute() const override;
  std::string pack() const override;
  void merge(const std::vector<std::string>& packed) override;

 private:
  std::shared_ptr<const InstanceTable> truths_;
  std::vector<int64_t> category_of_;
  CocoEvaluator boxes_;
  std::optional<CocoEvaluator> masks_;
  int64_t images_ = 0;
};

}  // namespace reviewkd
