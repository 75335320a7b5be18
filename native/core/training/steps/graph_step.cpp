#include "core/training/steps/graph_step.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <utility>

#include "core/ops/backend/kernel_backends.h"
#include "core/ops/conv_norm/batch_counters.h"
#include "core/ops/low_precision_copies/low_precision_copies.h"

namespace reviewkd {
namespace {

/// Steps of a kind before it is recorded: libraries choose their algorithms and take their memory in the first ones.
/// What is folded into weights is computed there as well, for work that is recorded leaves nothing behind that could be
/// read.
constexpr int64_t kStepsBefore = 3;
constexpr int64_t kStepsPerGraph = 8;
constexpr size_t kMostGraphs = 4;

int graphs_wanted() {
  // @env REVIEWKD_CUDA_GRAPHS users: `0`: steps are not recorded as CUDA graphs; more than `1`: every graph has
  // several steps. Default: `1`, several steps only if they are short.
  const char* wish = std::getenv("REVIEWKD_CUDA_GRAPHS");
  return wish == nullptr ? 1 : static_cast<int>(std::strtol(wish, nullptr, 10));
}

/// Copied while the device continues its work, if memory allows that.
at::Tensor moved(const at::Tensor& tensor, c10::Device device) {
  if (!tensor.is_cpu() || !device.is_cuda()) return tensor.to(device);
  return tensor.pin_memory().to(device, tensor.scalar_type(), /*non_blocking=*/true);
}

/// Records, when it ends, how far the work that was handed over reaches.
class HandedOver {
 public:
  HandedOver(ops::DeviceFence& fence, c10::Device device) : fence_(fence), device_(device) {}
  ~HandedOver() {
    try {
      fence_.record(device_);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
      // A device that has failed fails again at the next call, which may throw.
    }
  }
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;

 private:
  ops::DeviceFence& fence_;
  c10::Device device_;
};

std::vector<at::Tensor> tensors_of(const torch::nn::Module& module) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : state_dict(module)) tensors.push_back(tensor);
  return tensors;
}

std::vector<int64_t> batch_sizes_of(const std::vector<Batch>& batches) {
  std::vector<int64_t> sizes;
  sizes.reserve(batches.size());
  for (const Batch& batch : batches) sizes.push_back(batch.images.size(0));
  return sizes;
}

}  // namespace

std::unique_ptr<GraphStep> GraphStep::create(c10::Device device, Training& training) {
  const ops::KernelBackend* backend = ops::kernel_backend_of(device.type());
  const c10::OptionalDeviceGuard guard(device);
  return backend == nullptr ? nullptr : std::make_unique<GraphStep>(*backend, device, training);
}

GraphStep::GraphStep(const ops::KernelBackend& backend, c10::Device device, Training& training)
    : device_(device), training_(training), schedule_(device), streams_(ops::DeviceStreams::create(backend)) {
  const Objective& objective = training.objective;
  changed_ = tensors_of(*objective.network().module);
  if (const Distiller* distiller = objective.distiller()) {
    for (auto& tensor : tensors_of(distiller->modules())) changed_.push_back(tensor);
    for (auto& tensor : tensors_of(*distiller->teacher().module))
      (objective.has_moving_teacher() ? changed_ : frozen_).push_back(tensor);
  }
  const ops::StreamsScope streams(streams_.get());
  report_ = std::make_unique<DeviceReport>(device);
  if (!objective.task().info().training_metric)
    no_metric_ = at::zeros({}, at::TensorOptions(at::kFloat).device(device));
  if (!streams_) why_not_recorded_ = "this device has no graphs";
  else if (graphs_wanted() == 0) why_not_recorded_ = "REVIEWKD_CUDA_GRAPHS is 0";
}

void GraphStep::begin_schedule(const StepSchedule& schedule) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  schedule_.begin(schedule.rates, schedule.position, schedule.number);
}

void GraphStep::begin_sums(const EpochSums& sums) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  has_steps_ = false;
  report_->begin(sums.images, sums.metric, sums.losses.loss_vector());
}

void GraphStep::stage(Graph& graph, const Kind& kind, const std::vector<Batch>& batches) {
  const auto memory_for = [&](const at::Tensor& first) {
    std::vector<int64_t> sizes = first.sizes().vec();
    sizes.front() = kind.sizes.front();
    return batches.size() == 1 ? at::empty_like(first)
                               : at::empty(sizes, first.options(), first.suggest_memory_format());
  };
  if (!graph.batch.images.defined())
    graph.batch = {memory_for(batches.front().images), batches.front().targets.map(memory_for)};
  int64_t begin = 0;
  for (const Batch& batch : batches) {
    const int64_t length = batch.images.size(0);
    graph.batch.images.narrow(0, begin, length).copy_(batch.images, /*non_blocking=*/true);
    for (const Target& target : batch.targets.all()) {
      at::Tensor(graph.batch.targets.values(target.name))
          .narrow(0, begin, length)
          .copy_(target.values, /*non_blocking=*/true);
    }
    begin += length;
  }
}

void GraphStep::run(StepBatches step, const std::vector<double>& weights) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  drop_outdated();
  std::vector<Batch> there;
  for (const Batch& batch : step.batches) {
    const at::Tensor images = as_input(batch.images, training_.objective.network().dtype(), batch.images.device());
    there.push_back(
        {moved(images, device_), batch.targets.map([&](const at::Tensor& values) { return moved(values, device_); })});
  }
  const auto batch_sizes = batch_sizes_of(there);
  std::vector<int64_t> sizes = there.front().images.sizes().vec();
  sizes.front() = std::accumulate(batch_sizes.begin(), batch_sizes.end(), int64_t{0});
  const Kind kind{std::move(sizes), parts_of(batch_sizes, training_.options.micro_batches), nullptr, nullptr, 1};
  Graph& graph = graph_of(kind, weights);
  const bool is_recorded = graph.recorded || (may_record() && graph.steps >= kStepsBefore);
  if (there.size() == 1 && !is_recorded) {
    advance(graph, [&] { work_on(graph, kind.parts, there.front()); }, kStepsBefore);
    return;
  }
  // A graph reads the same memory in each replay.
  stage(graph, kind, there);
  advance(graph, [this, &graph, parts = kind.parts] { work_on(graph, parts, graph.batch); }, kStepsBefore);
}

bool GraphStep::takes(const ResidentPass& pass) const { return pass.full_batches_left() >= batches_per_step(); }

bool GraphStep::takes_several(const Kind& kind, const Graph& single, int64_t left, int64_t most) const {
  if (!single.recorded || left < kStepsPerGraph || (most < kStepsPerGraph && graphs_wanted() <= 1)) return false;
  const auto known = graphs_.find(kind);
  return (known != graphs_.end() && known->second.recorded) || may_record();
}

int64_t GraphStep::run(ResidentPass& pass, const std::vector<double>& weights, int64_t most) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  const ResidentBatches& batches = pass.batches();
  drop_outdated();
  // Those of another data set keep its images on the device.
  std::erase_if(graphs_, [&](const auto& entry) {
    return entry.first.images != nullptr && entry.first.images != batches.images.const_data_ptr();
  });
  const int64_t images = batches.batch_size * batches_per_step();
  Kind kind{{images, 3, batches.images.size(2), batches.images.size(3)},
            parts_of(std::vector<int64_t>(static_cast<size_t>(batches_per_step()), batches.batch_size),
                     training_.options.micro_batches),
            batches.images.const_data_ptr(),
            batches.picks.const_data_ptr(),
            1};
  Graph& single = graph_of(kind, weights);
  Kind several = kind;
  several.steps = kStepsPerGraph;
  const bool repeats = takes_several(several, single, pass.full_batches_left() / batches_per_step(), most);
  if (repeats) kind = std::move(several);
  Graph& graph = repeats ? graph_of(kind, weights) : single;
  if (!graph.batch.images.defined()) graph.batch = batches.allocate(images).batch();
  // A graph keeps the memory that it gathers from.
  const auto work = [this, &graph, batches, kind] {
    const GatheredImages into{graph.batch.images, graph.batch.targets.labels()};
    for (int64_t step = 0; step < kind.steps; ++step) {
      batches.gather(into, 0, schedule_.position());
      work_on(graph, kind.parts, graph.batch);
    }
  };
  advance(graph, work, repeats ? 0 : kStepsBefore);
  pass.skip(kind.steps * batches_per_step());
  return kind.steps;
}

void GraphStep::drop_outdated() {
  const StateVersion now = state();
  for (auto& [kind, graph] : graphs_) {
    if (!graph.recorded || graph.state == now) continue;
    graph.recorded.reset();
    graph.steps = 0;
  }
}

GraphStep::Graph& GraphStep::graph_of(const Kind& kind, const std::vector<double>& weights) {
  weights_ = weights;
  Graph& graph = graphs_[kind];
  if (graph.shares.defined() && graph.weights == weights) return graph;
  const auto& losses = training_.objective.task().info().losses;
  const auto parts = static_cast<int64_t>(kind.parts.size());
  at::Tensor shares = at::empty({parts, static_cast<int64_t>(losses.size())}, at::kFloat);
  at::Tensor seeds = at::empty({parts, static_cast<int64_t>(weights.size())}, at::kDouble);
  for (int64_t part = 0; part < parts; ++part) {
    const double share =
        static_cast<double>(kind.parts[static_cast<size_t>(part)]) / static_cast<double>(kind.sizes.front());
    for (size_t i = 0; i < losses.size(); ++i) shares[part][static_cast<int64_t>(i)] = share * losses[i].weight;
    for (size_t k = 0; k < weights.size(); ++k) seeds[part][static_cast<int64_t>(k)] = share * weights[k];
  }
  if (!graph.shares.defined()) {
    graph.shares = at::empty_like(shares, shares.options().device(device_));
    graph.seeds = at::empty_like(seeds, seeds.options().device(device_));
  }
  graph.shares.copy_(shares);
  graph.seeds.copy_(seeds);
  graph.weights = weights;
  return graph;
}

void GraphStep::advance(Graph& graph, const std::function<void()>& work, int64_t steps_before) {
  // The host is two hand-overs ahead at most: what is handed over is neither stopped nor reported any more.
  handed_over_[turn_].synchronize();
  const HandedOver hand_over(handed_over_[turn_], device_);
  turn_ = (turn_ + 1) % handed_over_.size();
  Sgd& optimizer = training_.optimizer;
  if (auto* copies = optimizer.low_precision_copies()) copies->refresh();
  if (!graph.recorded && may_record() && graph.steps >= steps_before) record(graph, work);
  is_replayed_ = graph.recorded != nullptr;
  is_new_ = graph.steps < steps_before;
  has_steps_ = true;
  ++graph.steps;
  if (!is_replayed_) {
    work();
    return;
  }
  graph.recorded->replay();
  optimizer.set_gradients(graph.gradients);
  for (const auto& tensor : changed_) ops::mark_changed(tensor);
  if (auto* copies = optimizer.low_precision_copies()) copies->mark_current();
}

void GraphStep::work_on(const Graph& graph, const std::vector<int64_t>& parts, const Batch& batch) {
  const ops::BatchCounterScope counters;
  const ops::LowPrecisionScope copies(training_.optimizer.low_precision_copies());
  training_.optimizer.zero_grad();
  int64_t begin = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    work_on_part(graph, batch, static_cast<int64_t>(part), begin,
                 {.is_first = part == 0,
                  .is_last = part + 1 == parts.size(),
                  .length = parts[part],
                  .images = batch.images.size(0)});
    begin += parts[part];
  }
  training_.optimizer.step_on_device(schedule_.rates(), report_->finite());
  std::vector<ops::StepEnd::Counter> ends;
  for (const auto& [counter, increment] : counters.counted()) {
    ends.push_back({counter.data_ptr<int64_t>(), increment});
    ops::mark_changed(counter);
  }
  ops::kernel_backend_of(device_.type())
      ->step_end({ends.data(), static_cast<int64_t>(ends.size()), schedule_.position(), schedule_.step()});
}

void GraphStep::work_on_part(const Graph& graph, const Batch& batch, int64_t index, int64_t begin,
                             const StepPart& part) {
  const ForwardResult result =
      training_.objective.forward(batch.images.narrow(0, begin, part.length), batch.targets.narrow(begin, part.length),
                                  training_.options.precisions(), /*seed=*/0);
  const at::Tensor metric_sum = result.metric_sum ? result.metric_sum().to(at::kFloat) : no_metric_;
  // Each loss with its factor: the derivative of their weighted sum, which is needed for its derivative alone.
  torch::autograd::variable_list losses, factors;
  const auto& infos = training_.objective.task().info().losses;
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].weight == 0) continue;
    losses.push_back(result.task_losses[i]);
    factors.push_back(graph.shares.select(0, index).select(0, static_cast<int64_t>(i)));
  }
  for (size_t k = 0; k < result.terms.size(); ++k) {
    losses.push_back(result.terms[k].loss);
    factors.push_back(graph.seeds.select(0, index).select(0, static_cast<int64_t>(k)));
  }
  for (size_t k = 0; k < losses.size(); ++k) factors[k] = factors[k].to(losses[k].scalar_type());
  torch::autograd::backward(losses, factors);
  const auto& limit = training_.options.clip_norm;
  const at::Tensor norm = part.is_last && limit ? training_.optimizer.clip_gradients_on_device(*limit) : at::Tensor();
  report_->add(result, part, metric_sum, norm, schedule_.step());
}

std::string GraphStep::why_not_replayed() const {
  if (is_replayed_) return "";
  if (!why_not_recorded_.empty()) return why_not_recorded_;
  return is_new_ ? "the first steps with batches of a size are not recorded"
                 : "steps with batches of other sizes are recorded, and no more are";
}

bool GraphStep::may_record() const {
  if (!why_not_recorded_.empty()) return false;
  size_t recorded = 0;
  for (const auto& [kind, graph] : graphs_) recorded += graph.recorded ? 1 : 0;
  return recorded < kMostGraphs;
}

void GraphStep::record(Graph& graph, const std::function<void()>& work) {
  training_.optimizer.zero_grad();
  try {
    graph.recorded = ops::DeviceGraph::record(*streams_, work);
    graph.gradients = training_.optimizer.gradients();
    graph.state = state();
  } catch (const c10::OutOfMemoryError&) {
    why_not_recorded_ =
        "a step could not be recorded: the device is out of memory for it; use smaller batches or more micro-batches "
        "(microBatches)";
  } catch (const std::exception& error) {
    // From here on each step runs as it is called. An error of the step itself is thrown again there.
    const std::string message = error.what();
    why_not_recorded_ = "a step could not be recorded: " + message.substr(0, message.find('\n'));
  }
}

StateVersion GraphStep::state() const {
  StateVersion result = {{schedule_.address(), 0}};
  for (const auto& tensor : frozen_) result.emplace_back(tensor.const_data_ptr(), tensor._version());
  for (const auto& tensor : changed_) result.emplace_back(tensor.const_data_ptr(), 0);
  return result;
}

StepReport GraphStep::read() {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  const DeviceReport::Values found = report_->read();
  const Objective& objective = training_.objective;
  StepReport report;
  report.is_replayed = is_replayed_;
  report.why_not_replayed = why_not_replayed();
  if (found.losses.empty()) return report;
  report.losses = objective.losses_of(found.losses.data(), weights_);
  if (training_.options.clip_norm) report.gradient_norm = found.gradient_norm;
  report.sums = {found.images, found.metric,
                 objective.sums_of(found.sums.data(), weights_, static_cast<double>(found.images))};
  if (found.first_nonfinite_step) {
    report.first_nonfinite = {*found.first_nonfinite_step, objective.losses_of(found.nonfinite_losses.data(), weights_),
                              found.nonfinite_norm};
  }
  return report;
}

}  // namespace reviewkd
