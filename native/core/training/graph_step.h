#pragma once
// Steps of training on a device that an accelerator serves. Nothing is read back until it is asked for, and steps that repeat are recorded as a graph
// of work and replayed: the host hands over one thing instead of some hundred. Everything that outlives a step is changed by the accelerator's kernels
// alone, the schedule and the report of the losses with it.
//
// A loss that is not finite is therefore found late, at the next read. Until then the device itself makes sure that nothing more is changed: the first
// such step and all behind it leave parameters and momentum buffers as they were.

#include <array>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data/resident_images.h"
#include "core/ops/device_streams.h"
#include "core/training/device_schedule.h"
#include "core/training/pass.h"
#include "core/training/sgd.h"

namespace reviewkd {

/// What a step is made of; outlives it.
struct DeviceWork {
  std::function<Pass(const at::Tensor& images, const at::Tensor& labels)> forward;
  Sgd& optimizer;
  int64_t accumulate = 1;
  std::optional<double> clip_norm;
  /// What a step changes in addition to what the optimizer does: parameters, statistics.
  std::vector<at::Tensor> changed;
  /// What it reads and never changes: a graph is recorded again when it is changed by others.
  std::vector<at::Tensor> frozen;
};

/// What a device found so far.
struct DeviceReport {
  /// Of the last step, as Pass::values has them.
  std::vector<double> values;
  double gradient_norm = 0;
  int64_t correct = 0;
  /// Since `begin_sums`, over the steps that were finite.
  int64_t images = 0;
  int64_t all_correct = 0;
  std::vector<double> sums;  // of values · images
  /// The first step that was not finite, counted from 0, with its values and its gradients' norm.
  std::optional<int64_t> bad_step;
  std::vector<double> bad_values;
  double bad_norm = 0;
};

class DeviceStep {
 public:
  /// None if no accelerator serves the device. REVIEWKD_CUDA_GRAPHS=0 keeps steps from being recorded, a number greater
  /// than 1 makes graphs of several steps whatever `most` says.
  static std::unique_ptr<DeviceStep> create(c10::Device device, DeviceWork work);

  DeviceStep(const ops::Accelerator& accelerator, c10::Device device, DeviceWork work);

  /// Where its steps go; none if the accelerator has no streams.
  const ops::DeviceStreams* streams() const { return streams_.get(); }

  /// The learning rate of each step to come, the place of the next one among them, and its number.
  void begin_schedule(const std::vector<double>& rates, int64_t position, int64_t step);

  /// Hands the schedule's next step over. images: [N, 3, H, W] as the network takes them; labels: [N]; a weight for each term.
  void run(const at::Tensor& images, const at::Tensor& labels, const std::vector<double>& weights);

  /// The same with the pass's batch at the schedule's position: one step, or as many as a graph has, if that is not more than `most`. At least one whole
  /// batch must be left. Returns the number of steps.
  int64_t run(ResidentPass& pass, const std::vector<double>& weights, int64_t most);

  /// Waits for the steps that were handed over.
  DeviceReport read();

  /// Sums continue from these; none: from 0. What was not finite is forgotten.
  void begin_sums(int64_t images = 0, int64_t correct = 0, const std::vector<double>& sums = {});

  /// Whether a step has been taken since then.
  bool has_steps() const { return has_steps_; }

  /// Whether the last step was a replay, and if not, why.
  bool replays() const { return replays_; }
  std::string why_not_replayed() const;

 private:
  /// The key of a graph.
  struct Kind {
    std::vector<int64_t> sizes;  // of the images
    const void* images;          // that batches are gathered from, and
    const void* picks;           // their order; none for batches of a caller's
    int64_t steps;               // of one graph

    auto operator<=>(const Kind&) const = default;
  };

  struct Graph {
    Batch batch;  // what the graph reads
    std::unique_ptr<ops::DeviceGraph> recorded;
    std::vector<at::Tensor> gradients;  // what it writes
    StateVersion state;
    /// Factors of the losses, for each part of a batch: [parts] of the cross entropy, float32, and [parts, terms], float64.
    at::Tensor shares, seeds;
    std::vector<double> weights;  // that the seeds were made of
    int64_t steps = 0;
  };

  /// Releases graphs that read what is no longer so.
  void drop_outdated();
  /// Whether as many steps as a graph of several has come next.
  bool takes_several(const Kind& kind, const Graph& single, int64_t left, int64_t most) const;
  Graph& graph_of(const Kind& kind, const std::vector<double>& weights);
  /// The step itself: nothing in it waits for the device.
  void work_on(const Graph& graph, const at::Tensor& images, const at::Tensor& labels);
  void report(const Pass& pass, int64_t part, int64_t parts, int64_t images, const at::Tensor& norm);
  bool may_record() const;
  /// Replays, or records before that, or does the work if neither can be.
  void advance(Graph& graph, const std::function<void()>& work, int64_t steps_before);
  void record(Graph& graph, const std::function<void()>& work);
  StateVersion state() const;
  at::Tensor numbers(at::IntArrayRef sizes) const;
  void require_report(int64_t values);

  c10::Device device_;
  DeviceWork work_;
  // On the device, at addresses that stay, for graphs read and write them; see StepReport. They outlive the streams, which wait for their work.
  at::Tensor finite_;                          // float32
  at::Tensor values_, first_bad_, sums_;       // float64: [n + 2], [n + 3] and [n + 2]
  DeviceSchedule schedule_;
  // Graphs are released before their streams.
  std::unique_ptr<ops::DeviceStreams> streams_;
  std::array<ops::DeviceFence, 2> handed_over_;
  size_t turn_ = 0;
  std::map<Kind, Graph> graphs_;
  bool replays_ = false;
  bool has_steps_ = false;
  /// Of the last step: whether too few of its kind came before it.
  bool is_new_ = true;
  /// Why no step is recorded, once that is so.
  std::string why_not_recorded_;
  std::vector<double> first_sums_;
};

}  // namespace reviewkd
