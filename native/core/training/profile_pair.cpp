#include "core/training/profile_pair.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/models/detection/detector.h"
#include "core/models/init.h"
#include "core/models/multiply_adds.h"
#include "core/ops/backend/allocator.h"
#include "core/ops/backend/dispatch.h"
#include "core/tasks/classification/classification.h"
#include "core/tasks/detection/detection.h"
#include "core/tasks/registry.h"
#include "core/training/session.h"

namespace reviewkd {
namespace {

/// The batch sizes that are run of classifiers.
constexpr int64_t kSmallBatch = 2;
constexpr int64_t kLargerBatch = 4;
/// Objects in an image for detectors.
constexpr int64_t kObjects = 8;

int64_t bytes_of(const NamedTensors& tensors) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  int64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

/// A step at `batch_size`, of which each event is linear in the batch size.
std::vector<int64_t> extrapolated(const std::vector<int64_t>& small, const std::vector<int64_t>& larger,
                                  int64_t batch_size) {
  if (small.size() != larger.size()) {
    fail(ErrorCode::kInternal, "invalid profile: expected the same number of allocations for ", kSmallBatch, " and ",
         kLargerBatch, " images, received ", small.size(), " and ", larger.size(), ".");
  }
  std::vector<int64_t> events(small.size());
  for (size_t i = 0; i < events.size(); ++i) {
    events[i] = small[i] + (larger[i] - small[i]) * (batch_size - kSmallBatch) / (kLargerBatch - kSmallBatch);
  }
  return events;
}

/// The highest sum of the first events.
int64_t peak_of(const std::vector<int64_t>& events) {
  int64_t bytes = 0;
  int64_t peak = 0;
  for (const int64_t event : events) peak = std::max(peak, bytes += event);
  return peak;
}

/// One thread computes while it lives: with several, operations split large batches up and small ones not, and allocate
/// accordingly.
class SingleThread {
 public:
  SingleThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~SingleThread() { at::set_num_threads(before_); }
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int before_;
};

at::Tensor noise_of(const Network& network, at::IntArrayRef sizes) {
  const at::Tensor noise = at::empty(sizes, at::dtype(network.dtype()));
  init::normal(noise, 1.0, init::generator(0));
  return noise;
}

/// A batch for a detector. Its images are the same, so that each step finds as much in an image.
Batch detection_noise(const Network& network, ImageSize size, int64_t images) {
  const auto& detector = detector_of(*network.module);
  const at::Tensor image = noise_of(network, {3, size.height, size.width}).mul_(0.2).add_(0.5).clamp_(0, 1);
  const at::Tensor sides = at::tensor({size.width, size.height, size.width, size.height}, image.options());
  const at::Tensor corners = at::arange(kObjects, image.options()).unsqueeze(1) / (2 * kObjects);  // [K, 1]
  const at::Tensor extent = (corners + 1.0 / (2 * kObjects)).repeat({1, 2});
  detection::ImageTargets targets{
      .boxes = at::cat({corners.repeat({1, 2}), corners + extent}, 1) * sides,  // [K, 4]
      .labels = at::full({kObjects}, detector.has_background_class() ? 1 : 0, at::kLong),
      .masks = {},
  };
  if (detector.has_masks()) targets.masks = at::ones({kObjects, size.height, size.width}, at::kByte);
  const auto count = static_cast<size_t>(images);
  return detection_batch(detector, std::vector<at::Tensor>(count, image),
                         std::vector<detection::ImageTargets>(count, targets));
}

ImageBatch one_image(const Network& network, ImageSize size) {
  if (network.module->is_classifier()) return noise_of(network, {1, 3, size.height, size.width});
  return detection_noise(network, size, 1).image_batch();
}

void throw_if(const std::atomic<bool>& stop) {
  if (stop) fail(ErrorCode::kAborted, "the measurement was stopped");
}

NetworkCost run_and_count(BackboneImpl& network, const ImageBatch& image, BackboneOutput& output) {
  network.feature_specs(image.padded_size());  // throws if the network does not support the size
  network.eval();
  NetworkCost cost;
  cost.multiply_adds = count_multiply_adds([&] { output = network.forward_batch(image); });
  if (network.is_classifier()) return cost;
  auto& detector = detector_of(network);
  cost.pyramid_multiply_adds = cost.multiply_adds;
  cost.pyramid_parameters = parameter_count(detector.pyramid_backbone());
  cost.multiply_adds += count_multiply_adds([&] { detector.run_heads(levels_of(output), image); });
  return cost;
}

/// On the reference path, whose products are PyTorch's own operations and can be counted.
void count_arithmetic(Distiller& distiller, ImageSize size, const std::atomic<bool>& stop, PairCost& cost) {
  const ops::ReferenceScope path(true);
  const NetworkLock lock(distiller.student(), &distiller.teacher());
  const torch::NoGradGuard no_grad;
  distiller.modules().eval();
  const ImageBatch image = one_image(distiller.student(), size);
  cost.input_size = image.padded_size();
  BackboneOutput teacher, student;
  cost.teacher = run_and_count(*distiller.teacher().module, image, teacher);
  throw_if(stop);
  cost.student = run_and_count(*distiller.student().module, image, student);
  const at::Tensor label = at::zeros({1}, at::kLong);
  cost.training_only_multiply_adds = count_multiply_adds([&] {
    for (const auto& term : distiller.terms()) term.method->forward({student, teacher, label});
  });
  throw_if(stop);
}

/// A rate of 0 leaves the parameters as they are.
SessionOptions session_options() {
  SessionOptions options;
  options.optimizer.learning_rate = 0;
  options.optimizer.momentum = 0.9;
  options.optimizer.nesterov = true;
  options.optimizer.weight_decay = 5e-4;
  return options;
}

/// On the reference path: the number of its allocations does not depend on the batch.
void measure_classifiers(const std::shared_ptr<Distiller>& distiller, ImageSize size, int64_t batch_size,
                         const std::atomic<bool>& stop, PairCost& cost) {
  const ops::ReferenceScope path(true);
  const at::Tensor noise = noise_of(distiller->student(), {kLargerBatch, 3, size.height, size.width});
  const at::Tensor labels = at::zeros({kLargerBatch}, at::kLong);
  AllocationRecorder recorder;
  Session session(distiller, std::make_shared<Classification>(), session_options());
  const auto step = [&](int64_t images) {
    recorder.take();
    {
      const at::Tensor batch = noise.narrow(0, 0, images).clone();
      session.step({{batch, Targets::labels(labels.narrow(0, 0, images).clone())}});
    }
    throw_if(stop);
    return recorder.take();
  };
  step(kSmallBatch);  // leaves the gradients that every later step finds
  const auto small = step(kSmallBatch);
  const auto larger = step(kLargerBatch);
  const auto events = extrapolated(small, larger, batch_size);
  // The events begin with the momentum buffers and the last step's gradients in place.
  const int64_t trained_bytes = cost.momentum_bytes;
  cost.step_bytes = trained_bytes + peak_of(events);
  cost.mapped_bytes = cost.state_bytes + 2 * trained_bytes + most_mapped(events);
  cost.measured_batches = {kSmallBatch, kLargerBatch};
}

/// Whether a map has a single value, of which there are no batch statistics.
bool has_single_value(const Network& network, ImageSize image) {
  const auto specs = network.module->feature_specs(image);
  return std::any_of(specs.begin(), specs.end(), [](const FeatureSpec& spec) { return spec.height * spec.width == 1; });
}

/// On the fast path. A batch that is not larger than those that are run is measured itself.
void measure_detectors(const std::shared_ptr<Distiller>& distiller, ImageSize size, int64_t batch_size,
                       const std::atomic<bool>& stop, PairCost& cost) {
  const Network& student = distiller->student();
  const int64_t small = has_single_value(student, cost.input_size) ? 2 : 1;
  const int64_t larger = small + 1;
  AllocationRecorder recorder;
  Session session(distiller, task_of(student), session_options());
  const auto step = [&](int64_t images) {
    session.step({detection_noise(student, size, images)});
    throw_if(stop);
    return recorder.take();
  };
  // The first step leaves momentum buffers, gradients, and weights that are computed once to the later ones.
  const auto first = step(std::min(batch_size, small));
  const int64_t kept_bytes = std::accumulate(first.begin(), first.end(), int64_t{0});
  const auto measured = [&](int64_t images) {
    const auto events = step(images);
    return std::pair{peak_of(events), most_mapped(events)};
  };
  auto [peak, mapped] = measured(std::min(batch_size, larger));
  cost.measured_batches = {std::min(batch_size, larger)};
  if (batch_size > larger) {
    cost.measured_batches = {small, larger};
    const auto [small_peak, small_mapped] = measured(small);
    peak += (peak - small_peak) * (batch_size - larger);
    mapped += (mapped - small_mapped) * (batch_size - larger);
  }
  cost.step_bytes = kept_bytes - cost.momentum_bytes + peak;
  cost.mapped_bytes = cost.state_bytes + kept_bytes + mapped;
}

}  // namespace

NetworkCost count_arithmetic(Network& network, ImageSize size) {
  const ops::ReferenceScope path(true);
  const NetworkLock lock(network);
  const torch::NoGradGuard no_grad;
  const at::Tensor noise = noise_of(network, {1, 3, size.height, size.width}).to(network.device());
  const ImageBatch image =
      network.module->is_classifier() ? ImageBatch(noise) : detector_of(*network.module).input().padded(noise[0]);
  BackboneOutput output;
  return run_and_count(*network.module, image, output);
}

PairCost profile_pair(const std::shared_ptr<Distiller>& distiller, ImageSize image, int64_t batch_size,
                      const std::atomic<bool>& stop) {
  const BackboneImpl& student = *distiller->student().module;
  PairCost cost;
  count_arithmetic(*distiller, image, stop, cost);
  cost.state_bytes = bytes_of(distiller_state(*distiller)) + bytes_of(state_dict(*distiller->teacher().module));
  cost.momentum_bytes = bytes_of(student.trainable_parameters()) + bytes_of(distiller->modules().parameters());

  const SingleThread single_thread;
  const auto measure = student.is_classifier() ? measure_classifiers : measure_detectors;
  measure(distiller, image, batch_size, stop, cost);
  return cost;
}

}  // namespace reviewkd
