#pragma once
// Steps of training on a device that an accelerator serves. Nothing is read back until it is asked for, and a step that repeats is recorded as a
// graph of work and replayed: the host hands over one thing instead of some thousand.
//
// A loss that is not finite is found out late, when somebody reads. Until then the device itself sees to it that nothing more is changed: the first
// such step and all behind it leave parameters and velocities as they were.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ops/device_streams.h"
#include "core/training/pass.h"
#include "core/training/sgd.h"

namespace reviewkd {

/// What a step is made of; outlives it.
struct DeviceWork {
  std::function<Pass(const at::Tensor& images, const at::Tensor& labels)> forward;
  Sgd& optimizer;
  int64_t accumulate = 1;
  std::optional<double> clip_norm;
  /// What a step changes beside what the optimizer does: parameters, statistics.
  std::vector<at::Tensor> changed;
  /// What it reads and never changes: a graph is recorded anew when somebody else changes it.
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
  /// None where no accelerator serves the device. REVIEWKD_CUDA_GRAPHS=0 keeps steps from being recorded.
  static std::unique_ptr<DeviceStep> create(c10::Device device, DeviceWork work);

  DeviceStep(const ops::Accelerator& accelerator, c10::Device device, DeviceWork work);

  /// Hands a step over. images: [N, 3, H, W] as the network takes them; labels: [N]; a weight for each term; step: counted from 0.
  void run(const at::Tensor& images, const at::Tensor& labels, const std::vector<double>& weights, double learning_rate, int64_t step);

  /// Waits for the steps that were handed over.
  DeviceReport read();

  /// Sums go on from these; none: from 0. What was not finite is forgotten.
  void begin_sums(int64_t images = 0, int64_t correct = 0, const std::vector<double>& sums = {});

  /// Whether the last step was a replay, and if not, why.
  bool replays() const { return replays_; }
  std::string why_not_replayed() const;

 private:
  /// Steps of one shape.
  struct Shape {
    at::Tensor images, labels;  // what the graph reads
    std::unique_ptr<ops::DeviceGraph> graph;
    std::vector<at::Tensor> gradients;  // what it writes
    std::vector<std::pair<const void*, uint32_t>> state;
    int64_t steps = 0;
  };

  void prepare(const std::vector<double>& weights, double learning_rate, int64_t step);
  /// The step itself: nothing in it waits for the device.
  void work_on(const at::Tensor& images, const at::Tensor& labels);
  void note(const at::Tensor& values, const at::Tensor& norm, const at::Tensor& correct, int64_t images);
  bool may_record(const Shape& shape) const;
  void record(Shape& shape, const at::Tensor& images, const at::Tensor& labels);
  void replay(Shape& shape, const at::Tensor& images, const at::Tensor& labels);
  std::vector<std::pair<const void*, uint32_t>> state() const;
  at::Tensor numbers(at::IntArrayRef sizes) const;

  c10::Device device_;
  DeviceWork work_;
  std::unique_ptr<ops::DeviceStreams> streams_;
  std::map<std::vector<int64_t>, Shape> shapes_;
  bool replays_ = false;
  /// Of the last step: whether its shape is new.
  bool is_new_ = true;
  /// Why no step is recorded, once that is so.
  std::string why_not_recorded_;

  // On the device, at addresses that stay, for graphs read and write them.
  at::Tensor rate_, finite_, step_;           // float32, float32, float64
  at::Tensor weights_;                        // [terms], float64
  at::Tensor values_, bad_values_, sums_;     // float64: [n + 2], [n + 3] and [n + 2]; see `note`
  std::vector<double> known_weights_;
  std::vector<double> first_sums_;
};

}  // namespace reviewkd
