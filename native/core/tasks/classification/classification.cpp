#include "core/tasks/classification/classification.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/data/label_error.h"
#include "core/ops/cross_entropy/device.h"
#include "core/tasks/classification/accuracy.h"

namespace reviewkd {

const TaskInfo& Classification::info() const {
  static const TaskInfo info = {
      .name = "classification",
      .losses = {{.name = "crossEntropy", .label = "ce"}},
      .metrics =
          {{.name = "top1", .label = "top-1", .title = "top-1 accuracy", .unit = "%"},
           {.name = "top5", .label = "top-5", .title = "top-5 accuracy", .unit = "%"},
           {.name = "loss", .label = "loss", .title = "mean cross entropy", .unit = "", .higher_is_better = false}},
      .primary_metric = "top1",
      .training_metric = TrainingMetric{.name = "top1", .factor = 100.0},
  };
  return info;
}

void Classification::check_data(const BackboneImpl& network, const ImageSet& set) const {
  if (set.truths) {
    fail(ErrorCode::kInvalidArgument, "invalid network for the data set ", set.kind,
         ": expected a detector, received a classifier. Create it with createDetector, for example "
         "faster-rcnn-resnet18-fpn.");
  }
  if (set.num_classes <= network.num_classes()) return;
  fail(ErrorCode::kShapeMismatch, "invalid network for the data set ", set.kind, ": expected ", set.num_classes,
       " classes or more, received ", network.num_classes(), ". Create the network with numClasses of the data set.");
}

void Classification::check_targets(const BackboneImpl& network, const ImageBatch& images,
                                   const Targets& targets) const {
  check_labels(targets.values(Targets::kLabels), images.pixels, network.num_classes());
}

TaskLosses Classification::losses(const TaskInput& input) const {
  const at::Tensor& logits = input.output.logits;
  const at::Tensor labels = input.targets.labels();
  if (const auto classified = ops::cross_entropy_on_device(logits, labels)) {
    return {{classified->cross_entropy}, [correct = classified->correct] { return correct; }};
  }
  return {{at::cross_entropy_loss(at_least_float32(logits), labels)},
          [logits, labels] { return logits.detach().argmax(1).eq(labels).sum(); }};
}

std::unique_ptr<MetricAccumulator> Classification::new_accumulator(const Network& network, const ImageSet&,
                                                                   bool is_deferred) const {
  const int64_t classes = network.module->num_classes();
  if (is_deferred) return std::make_unique<DeferredAccuracy>(classes, network.device());
  return std::make_unique<ImmediateAccuracy>(classes);
}

void check_labels(const at::Tensor& labels, const at::Tensor& images, int64_t classes) {
  if (labels.scalar_type() != at::kLong) {
    fail(ErrorCode::kDtypeMismatch, "invalid labels: expected int64, received ", type_name(labels.scalar_type()),
         ". Convert them.");
  }
  if (labels.dim() != 1 || labels.size(0) != images.size(0)) {
    fail(ErrorCode::kShapeMismatch, "invalid labels: expected [", images.size(0), "], received ", labels.sizes(),
         ". Pass one label per image.");
  }
  const int64_t lowest = labels.min().item<int64_t>();
  const int64_t highest = labels.max().item<int64_t>();
  if (lowest < 0 || highest >= classes) {
    const at::Tensor is_wrong = labels.lt(0).logical_or_(labels.ge(classes));
    const auto index = is_wrong.to(at::kByte).argmax().item<int64_t>();
    fail_label("labels", "labels", index, labels[index].item<int64_t>(), 0, classes - 1,
               "Check numClasses of the network, and the labels.");
  }
}

}  // namespace reviewkd
