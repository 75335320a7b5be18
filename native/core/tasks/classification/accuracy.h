#pragma once
// Top-1 and top-5 accuracy (percent), mean cross entropy, and for each class the number of its images and of those
// classified correctly.
// With fewer than five classes, "top-5" is the share within all of them.

#include "core/tasks/task.h"

namespace reviewkd {

/// Reads each batch's counts back at once.
class ImmediateAccuracy : public MetricAccumulator {
 public:
  explicit ImmediateAccuracy(int64_t classes) : class_samples_(classes), class_correct_(classes) {}

  void add(const TaskInput& input) override;
  Evaluation compute() const override;
  std::string pack() const override;
  void merge(const std::vector<std::string>& packed) override;

 private:
  /// Images that are right, by the first and by the five most likely classes, and the sum of the losses.
  struct BatchSums {
    double top1, top5, loss;
    int64_t samples;
  };

  std::vector<BatchSums> batches_;
  std::vector<double> class_samples_, class_correct_;
};

/// Sums up on a device, which continues its work meanwhile, and reads back once, at the end.
class DeferredAccuracy : public MetricAccumulator {
 public:
  DeferredAccuracy(int64_t classes, c10::Device device);

  void add(const TaskInput& input) override;
  Evaluation compute() const override;

 private:
  at::Tensor totals_;  // [3], float64: top-1, top-5, loss
  at::Tensor counts_;  // [2, classes], int64: images, and those classified correctly
};

}  // namespace reviewkd
