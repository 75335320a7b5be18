#pragma once
// The interface between a training and its task: the targets of a batch, named losses, and the metrics of an evaluation
// with the one by which the best epoch is chosen. Sessions and evaluations know tasks through this interface alone.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/batch_source.h"
#include "core/models/backbone.h"
#include "core/models/detection/boxes/detections.h"

namespace reviewkd {

struct LossInfo {
  /// As results name it, in camelCase.
  std::string name;
  /// For tables.
  std::string label;
  /// Its factor in the total; 0: reported, not minimized.
  double weight = 1.0;
};

struct MetricInfo {
  std::string name;
  /// For tables, and for sentences.
  std::string label, title;
  /// "%", or empty for a plain number.
  std::string unit;
  bool higher_is_better = true;
};

/// A metric of the training images, known as a sum over the images of each batch: factor · sum / images.
struct TrainingMetric {
  std::string name;
  double factor = 1.0;
};

struct TaskInfo {
  std::string name;
  std::vector<LossInfo> losses;
  /// Of an evaluation, in the order of reports.
  std::vector<MetricInfo> metrics;
  /// The metric by which the best epoch is chosen.
  std::string primary_metric;
  std::optional<TrainingMetric> training_metric;
};

/// The output of the network for a batch, or for a part of one.
struct TaskInput {
  BackboneImpl& network;
  const BackboneOutput& output;
  const ImageBatch& images;
  const Targets& targets;
  /// For random choices: a pure function of the step and the part of its batch.
  uint64_t seed = 0;
};

struct TaskLosses {
  /// A scalar for each of `TaskInfo::losses`, the mean over the images.
  std::vector<at::Tensor> losses;
  /// The sum of the training metric over the images, a scalar; empty without such a metric. Holds what it needs of the
  /// output.
  std::function<at::Tensor()> metric_sum;
  /// Of detectors with a second stage: what it classified.
  std::optional<detection::RegionSample> regions = std::nullopt;
};

/// Values of one kind, one for each class.
struct ClassColumn {
  std::string name;
  std::vector<double> values;
};

struct Evaluation {
  /// By name, in the order of `TaskInfo::metrics`.
  std::vector<std::pair<std::string, double>> metrics;
  int64_t samples = 0;
  std::vector<ClassColumn> per_class;
};

/// The results of an evaluation so far.
class MetricAccumulator {
 public:
  virtual ~MetricAccumulator() = default;
  MetricAccumulator() = default;
  MetricAccumulator(const MetricAccumulator&) = delete;
  MetricAccumulator& operator=(const MetricAccumulator&) = delete;

  /// Adds a batch, which the network ran in inference mode.
  virtual void add(const TaskInput& input) = 0;

  /// The metrics over everything that was added. At least one image was.
  virtual Evaluation compute() const = 0;

  /// All that was added, as bytes, for `merge` in other processes. Throws INVALID_ARGUMENT if this kind cannot do it.
  virtual std::string pack() const;
  /// Replaces all that was added by what the processes of an evaluation have packed: process r of n evaluated the batches
  /// r, r + n and so on. The metrics are those of one process that evaluated all batches, to the bit.
  virtual void merge(const std::vector<std::string>& packed);
};

class Task {
 public:
  virtual ~Task() = default;
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  virtual const TaskInfo& info() const = 0;

  /// Throws unless the network can be trained and evaluated on such a set.
  virtual void check_data(const BackboneImpl& network, const ImageSet& set) const = 0;

  /// Adds to a plan of a pass over the set what the network requires of its batches.
  virtual void complete(const BackboneImpl& /*network*/, const ImageSet& /*set*/, BatchPlan& /*plan*/) const {}

  /// Throws unless the targets are sound and fit the images and the network.
  virtual void check_targets(const BackboneImpl& network, const ImageBatch& images, const Targets& targets) const = 0;

  virtual TaskLosses losses(const TaskInput& input) const = 0;

  /// An empty accumulator for evaluations of this network on this set. is_deferred: `add` must not wait for the network's device.
  virtual std::unique_ptr<MetricAccumulator> new_accumulator(const Network& network, const ImageSet& set,
                                                             bool is_deferred) const = 0;

  /// Whether the work of a step follows from the sizes of its tensors alone, so that it can be recorded once and
  /// replayed.
  virtual bool is_recordable() const { return true; }
};

/// Throws INTERNAL unless the names are unique, in use nowhere else, and the primary metric is among the metrics.
void check_info(const TaskInfo& info);

}  // namespace reviewkd
