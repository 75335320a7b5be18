#include "core/training/session.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/backend/device_streams.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/threads/default_threads.h"
#include "core/training/steps/eager_step.h"
#include "core/training/steps/graph_step.h"

namespace reviewkd {

Session::Session(std::shared_ptr<Distiller> distiller, std::shared_ptr<const Task> task, const SessionOptions& options)
    : training_(Objective(std::move(distiller), std::move(task)), options) {}

Session::Session(std::shared_ptr<Network> network, std::shared_ptr<const Task> task, const SessionOptions& options)
    : training_(Objective(std::move(network), std::move(task)), options) {}

void Session::use_threads() const {
  const int threads = training_.options.threads;
  at::set_num_threads(threads > 0 ? threads : ops::default_threads().count);
}

TrainStep& Session::train_step() {
  const at::Device device = network().device();
  if (step_ && device_ == device) return *step_;
  device_ = device;
  step_.reset();
  const SessionOptions& options = training_.options;
  if (options.fused && network().dtype() == at::kFloat && task().is_recordable() && !training_.peers) {
    if (options.precision == Precision::kBfloat16 && ops::kernel_backend_of(device.type()) != nullptr)
      training_.optimizer.keep_low_precision_copies();
    step_ = GraphStep::create(device, training_);
  }
  if (!step_) step_ = std::make_unique<EagerStep>(training_);
  return *step_;
}

StepResult Session::step(const std::vector<Batch>& batches) {
  if (batches.empty())
    fail(ErrorCode::kInvalidArgument,
         "invalid batches: expected one or more, received none. Pass the batches of one optimizer step.");
  for (const Batch& batch : batches) check_batch(batch);
  check_peers();
  training_.check_networks();
  std::vector<int64_t> images = images_of_all(batches);
  TrainStep& step = train_step();
  const ops::StreamsScope streams(step.streams());
  step.begin_schedule({{training_.learning_rate}, 0, training_.steps});
  {
    const NetworkLock lock(network(), training_.objective.teacher());
    training_.check_networks();
    network().is_untrained = false;
    step.run({.batches = batches, .images = std::move(images)}, training_.objective.weights_at(training_.state.epoch));
  }
  ++training_.steps;
  StepReport report = step.read();
  if (report.first_nonfinite) throw_nonfinite(training_, step, *report.first_nonfinite, report.sums);
  return {std::move(report.losses), report.seconds, training_.steps, training_.learning_rate, report.gradient_norm};
}

void Session::leave_peers() {
  has_left_peers_ = training_.peers != nullptr;
  training_.peers.reset();
}

void Session::check_peers() const {
  if (!has_left_peers_) return;
  fail(ErrorCode::kProcessLost,
       "this session has lost the other processes after an error. Start all again; they resume from the last "
       "checkpoint.");
}

std::vector<int64_t> Session::images_of_all(const std::vector<Batch>& batches) const {
  if (!training_.peers) return {};
  std::string own;
  for (const Batch& batch : batches) own += std::to_string(batch.images.size(0)) + " ";
  std::vector<int64_t> images(batches.size(), 0);
  std::vector<int64_t> least(batches.size(), std::numeric_limits<int64_t>::max()), most(batches.size(), 0);
  const std::vector<std::string> all = training_.peers->gather_texts(own);
  for (size_t rank = 0; rank < all.size(); ++rank) {
    std::istringstream numbers(all[rank]);
    size_t count = 0;
    for (int64_t number = 0; numbers >> number; ++count) {
      if (count >= images.size()) continue;
      images[count] += number;
      least[count] = std::min(least[count], number);
      most[count] = std::max(most[count], number);
    }
    if (count == images.size()) continue;
    fail(ErrorCode::kInvalidArgument, "invalid batches: expected as many in each process, received ", images.size(),
         " in this one and ", count, " in ", training_.peers->description_of(static_cast<int64_t>(rank)), ".");
  }
  // Otherwise processes would not run the network equally often.
  for (size_t i = 0; i < images.size() && training_.options.micro_batches > 1; ++i) {
    if (most[i] - least[i] <= 1) continue;
    fail(ErrorCode::kInvalidArgument, "invalid batches[", i, "]: expected parts of one batch, whose numbers of images ",
         "differ by 1 at most, for microBatches ", training_.options.micro_batches, ", received ", least[i],
         " images in ", "one process and ", most[i],
         " in another. Divide batches as `share` of the data set's batches does.");
  }
  return images;
}

void Session::check_batch(const Batch& batch) const {
  image_size_of(batch.images);
  if (!batch.images.is_floating_point()) {
    fail(ErrorCode::kDtypeMismatch, "invalid images: expected normalized floating-point values, received ",
         type_name(batch.images.scalar_type()),
         ". Subtract the mean, and divide by the standard deviation of each channel.");
  }
  task().check_targets(*network().module, batch.image_batch(), batch.targets);
}

EpochState Session::train_epoch(const TrainingImages& images, const EpochOptions& options,
                                const EpochProgress& progress, const std::atomic<bool>& stop,
                                const std::function<bool()>& is_report_due,
                                const std::function<void()>& between_steps) {
  check_peers();
  task().check_data(*network().module, images.set);
  network().is_untrained = false;
  const EpochControl control{progress, stop, is_report_due, between_steps};
  EpochRunner(training_, train_step(), options, control, picks_).run(images, seconds_per_step_);
  return training_.state;
}

NamedTensors Session::gradients() const {
  const NetworkLock lock(network());
  NamedTensors gradients;
  const auto values = training_.optimizer.gradients();
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& [name, parameter] = training_.optimizer.parameters()[i];
    if (values[i].defined()) gradients.emplace_back(name, values[i].to(parameter.scalar_type()));
  }
  return detached_copy(gradients);
}

Network* Session::moving_teacher() const {
  return training_.objective.has_moving_teacher() ? training_.objective.teacher() : nullptr;
}

NamedTensors Session::training_state() const {
  NamedTensors state;
  if (const Distiller* distiller = training_.objective.distiller()) {
    state = distiller_state(*distiller);
    if (const Network* teacher = moving_teacher()) {
      for (auto& entry : state_dict(*teacher->module, "teacher.")) state.push_back(std::move(entry));
    }
  } else {
    state = state_dict(*network().module);
  }
  const std::string prefix = training_.objective.distiller() != nullptr ? "training.student." : "training.";
  for (auto& [name, buffer] : network().module->training_buffers()) state.emplace_back(prefix + name, buffer);
  for (auto& [name, buffer] : training_.optimizer.state()) state.emplace_back("optimizer." + name, buffer);
  return state;
}

std::vector<std::string> Session::term_kinds() const {
  std::vector<std::string> kinds;
  if (const Distiller* distiller = training_.objective.distiller()) {
    for (const auto& term : distiller->terms()) kinds.push_back(term.kind);
  }
  return kinds;
}

void Session::set_epoch(int64_t epoch) {
  if (epoch == training_.state.epoch) return;
  training_.state = EpochState{};
  training_.state.epoch = epoch;
}

void Session::restore(const EpochState& state, int64_t steps, double learning_rate) {
  network().is_untrained = false;
  training_.state = state;
  training_.steps = steps;
  training_.learning_rate = learning_rate;
}

std::shared_ptr<Network> Session::shared_teacher() const {
  const Distiller* distiller = training_.objective.distiller();
  return distiller != nullptr ? distiller->teacher_network() : nullptr;
}

std::shared_ptr<Network> Session::frozen_teacher() const {
  return training_.objective.has_moving_teacher() ? nullptr : shared_teacher();
}

}  // namespace reviewkd
