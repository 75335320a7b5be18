#pragma once
// Steps on a device that the plugin's kernels serve. Nothing is read back until a report is requested, and steps that
// repeat are recorded as a graph and replayed: the host hands over one graph instead of some hundred kernels.
// Everything that outlives a step is changed by the plugin's kernels alone, the schedule and the report of the losses
// included.
//
// A loss that is not finite is therefore found late, at the next read. Until then the device itself makes sure that
// nothing more is changed: the first such step and all behind it leave parameters and momentum buffers as they were.

#include <array>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/ops/backend/device_streams.h"
#include "core/training/state/training.h"
#include "core/training/steps/device_report.h"
#include "core/training/steps/device_schedule.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {

class GraphStep : public TrainStep {
 public:
  /// Null if no kernels serve the device. The training outlives it. REVIEWKD_CUDA_GRAPHS keeps steps from being
  /// recorded, or makes graphs of several steps whatever `most` says.
  static std::unique_ptr<GraphStep> create(c10::Device device, Training& training);

  GraphStep(const ops::KernelBackend& backend, c10::Device device, Training& training);

  const ops::DeviceStreams* streams() const override { return streams_.get(); }
  bool is_deferred() const override { return true; }
  void begin_schedule(const StepSchedule& schedule) override;
  void begin_sums(const EpochSums& sums) override;
  void run(StepBatches step, const std::vector<double>& weights) override;
  bool takes(const ResidentPass& pass) const override;
  int64_t run(ResidentPass& pass, const std::vector<double>& weights, int64_t most) override;
  StepReport read() override;
  bool has_steps() const override { return has_steps_; }

 private:
  /// The key of a graph.
  struct Kind {
    std::vector<int64_t> sizes;  // of the images
    std::vector<int64_t> parts;  // that the images are split into
    const void* images;          // that batches are gathered from, and
    const void* picks;           // their order; null for batches of the caller
    int64_t steps;               // of one graph

    auto operator<=>(const Kind&) const = default;
  };

  struct Graph {
    Batch batch;  // what the graph reads
    std::unique_ptr<ops::DeviceGraph> recorded;
    std::vector<at::Tensor> gradients;  // what it writes
    StateVersion state;
    /// Factors of the losses, for each part: [parts, losses] of the task's, float32, and [parts, terms], float64.
    at::Tensor shares, seeds;
    std::vector<double> weights;  // that the seeds were made of
    int64_t steps = 0;
  };

  /// Batches of a resident pass that a step averages over.
  int64_t batches_per_step() const { return training_.options.accumulate_batches; }
  /// Releases graphs that read what has changed since.
  void drop_outdated();
  /// Whether as many steps as a graph of several has come next.
  bool takes_several(const Kind& kind, const Graph& single, int64_t left, int64_t most) const;
  Graph& graph_of(const Kind& kind, const std::vector<double>& weights);
  /// Puts the images of the batches one behind the other into the memory that the graph reads.
  static void stage(Graph& graph, const Kind& kind, const std::vector<Batch>& batches);
  /// The step itself: nothing in it waits for the device.
  void work_on(const Graph& graph, const std::vector<int64_t>& parts, const Batch& batch);
  void work_on_part(const Graph& graph, const Batch& batch, int64_t index, int64_t begin, const StepPart& part);
  bool may_record() const;
  /// Replays, or records before that, or does the work if neither is possible.
  void advance(Graph& graph, const std::function<void()>& work, int64_t steps_before);
  void record(Graph& graph, const std::function<void()>& work);
  StateVersion state() const;
  std::string why_not_replayed() const;

  c10::Device device_;
  Training& training_;
  /// Parameters and statistics: a step changes them, in addition to the optimizer's buffers.
  std::vector<at::Tensor> changed_;
  /// Tensors that it reads and never changes: a graph is recorded again when others have changed them.
  std::vector<at::Tensor> frozen_;
  // They outlive the streams, which wait for their work.
  std::unique_ptr<DeviceReport> report_;
  at::Tensor no_metric_;  // float32, 0: for tasks without a training metric
  DeviceSchedule schedule_;
  // Graphs are released before their streams.
  std::unique_ptr<ops::DeviceStreams> streams_;
  std::array<ops::DeviceFence, 2> handed_over_;
  size_t turn_ = 0;
  std::map<Kind, Graph> graphs_;
  std::vector<double> weights_;  // of the last step
  bool is_replayed_ = false;
  bool has_steps_ = false;
  /// Of the last step: whether too few of its kind came before it.
  bool is_new_ = true;
  /// Why no step is recorded, once that is so.
  std::string why_not_recorded_;
};

}  // namespace reviewkd
