#include "core/training/device_step.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "core/ops/accelerators.h"
#include "core/ops/batch_counters.h"
#include "core/ops/low_precision_copies.h"

namespace reviewkd {
namespace {

/// Steps of a kind before it is recorded: libraries choose their algorithms and take their memory in the first ones. What is folded into weights is
/// computed there as well, for work that is recorded leaves nothing behind that could be read.
constexpr int64_t kStepsBefore = 3;
constexpr int64_t kStepsPerGraph = 8;
constexpr size_t kMostGraphs = 4;

/// Places in front of a step's values in values_ and sums_, and behind them in first_bad_.
constexpr int64_t kExtra = 2;

/// 0: no graphs; 1: as the time of a step suggests; more: graphs of several steps.
int graphs_wanted() {
  const char* wish = std::getenv("REVIEWKD_CUDA_GRAPHS");
  return wish == nullptr ? 1 : std::atoi(wish);
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
    } catch (const std::exception&) {
      // A device that has failed fails again at the next call, which may throw.
    }
  }
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;

 private:
  ops::DeviceFence& fence_;
  c10::Device device_;
};

/// A scalar that a kernel reads, float32 or float64.
at::Tensor readable(const at::Tensor& scalar) {
  const at::Tensor values = scalar.detach();
  return values.scalar_type() == at::kFloat || values.scalar_type() == at::kDouble ? values.contiguous() : values.to(at::kDouble);
}

}  // namespace

std::unique_ptr<DeviceStep> DeviceStep::create(c10::Device device, DeviceWork work) {
  const ops::Accelerator* accelerator = ops::accelerator_of(device.type());
  const c10::OptionalDeviceGuard guard(device);
  return accelerator == nullptr ? nullptr : std::make_unique<DeviceStep>(*accelerator, device, std::move(work));
}

DeviceStep::DeviceStep(const ops::Accelerator& accelerator, c10::Device device, DeviceWork work)
    : device_(device), work_(std::move(work)), schedule_(device), streams_(ops::DeviceStreams::create(accelerator)) {
  const ops::StreamsScope streams(streams_.get());
  finite_ = at::ones({}, at::TensorOptions(at::kFloat).device(device));
  if (!streams_) why_not_recorded_ = "this device has no graphs";
  else if (graphs_wanted() == 0) why_not_recorded_ = "REVIEWKD_CUDA_GRAPHS is 0";
}

at::Tensor DeviceStep::numbers(at::IntArrayRef sizes) const { return at::zeros(sizes, at::TensorOptions(at::kDouble).device(device_)); }

void DeviceStep::begin_schedule(const std::vector<double>& rates, int64_t position, int64_t step) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  schedule_.begin(rates, position, step);
}

void DeviceStep::run(const at::Tensor& images, const at::Tensor& labels, const std::vector<double>& weights) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  drop_outdated();
  const at::Tensor input = moved(images, device_);
  const at::Tensor target = moved(labels, device_);
  Graph& graph = graph_of({input.sizes().vec(), nullptr, nullptr, 1}, weights);
  if (!graph.recorded && (!may_record() || graph.steps < kStepsBefore)) {
    advance(graph, [&] { work_on(graph, input, target); }, kStepsBefore);
    return;
  }
  // What a graph reads stays where it is.
  if (!graph.batch.images.defined()) graph.batch = {at::empty_like(input), at::empty_like(target)};
  graph.batch.images.copy_(input, /*non_blocking=*/true);
  graph.batch.labels.copy_(target, /*non_blocking=*/true);
  advance(graph, [this, &graph] { work_on(graph, graph.batch.images, graph.batch.labels); }, kStepsBefore);
}

bool DeviceStep::takes_several(const Kind& kind, const Graph& single, int64_t left, int64_t most) const {
  if (!single.recorded || left < kStepsPerGraph || (most < kStepsPerGraph && graphs_wanted() <= 1)) return false;
  const auto known = graphs_.find(kind);
  return (known != graphs_.end() && known->second.recorded) || may_record();
}

int64_t DeviceStep::run(ResidentPass& pass, const std::vector<double>& weights, int64_t most) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  const ResidentBatches& batches = pass.batches();
  drop_outdated();
  // Those of another data set keep its images on the device.
  std::erase_if(graphs_, [&](const auto& entry) { return entry.first.images != nullptr && entry.first.images != batches.images.const_data_ptr(); });
  Kind kind{{batches.batch_size, 3, batches.images.size(2), batches.images.size(3)}, batches.images.const_data_ptr(), batches.picks.const_data_ptr(), 1};
  Graph& single = graph_of(kind, weights);
  Kind several = kind;
  several.steps = kStepsPerGraph;
  const bool repeats = takes_several(several, single, pass.whole_batches_left(), most);
  if (repeats) kind = several;
  Graph& graph = repeats ? graph_of(kind, weights) : single;
  if (!graph.batch.images.defined()) graph.batch = batches.empty_batch(batches.batch_size);
  // A graph keeps the memory that it gathers from.
  const auto work = [this, &graph, batches, steps = kind.steps] {
    for (int64_t step = 0; step < steps; ++step) {
      batches.gather(graph.batch, 0, schedule_.position());
      work_on(graph, graph.batch.images, graph.batch.labels);
    }
  };
  advance(graph, work, repeats ? 0 : kStepsBefore);
  pass.skip(kind.steps);
  return kind.steps;
}

void DeviceStep::drop_outdated() {
  const StateVersion now = state();
  for (auto& [kind, graph] : graphs_) {
    if (!graph.recorded || graph.state == now) continue;
    graph.recorded.reset();
    graph.steps = 0;
  }
}

DeviceStep::Graph& DeviceStep::graph_of(const Kind& kind, const std::vector<double>& weights) {
  Graph& graph = graphs_[kind];
  if (graph.shares.defined() && graph.weights == weights) return graph;
  const int64_t count = kind.sizes.front();
  const int64_t parts = std::min(work_.accumulate, count);
  at::Tensor shares = at::empty({parts}, at::kFloat);
  at::Tensor seeds = at::empty({parts, static_cast<int64_t>(weights.size())}, at::kDouble);
  for (int64_t part = 0; part < parts; ++part) {
    const double share = static_cast<double>(count * (part + 1) / parts - count * part / parts) / static_cast<double>(count);
    shares[part] = share;
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

void DeviceStep::advance(Graph& graph, const std::function<void()>& work, int64_t steps_before) {
  // The host is two hand-overs ahead at most: what is handed over is neither stopped nor reported any more.
  handed_over_[turn_].synchronize();
  const HandedOver hand_over(handed_over_[turn_], device_);
  turn_ = (turn_ + 1) % handed_over_.size();
  if (auto* copies = work_.optimizer.low_precision_copies()) copies->refresh();
  if (!graph.recorded && may_record() && graph.steps >= steps_before) record(graph, work);
  replays_ = graph.recorded != nullptr;
  is_new_ = graph.steps < steps_before;
  has_steps_ = true;
  ++graph.steps;
  if (!replays_) {
    work();
    return;
  }
  graph.recorded->replay();
  work_.optimizer.set_gradients(graph.gradients);
  for (const auto& tensor : work_.changed) ops::mark_changed(tensor);
  if (auto* copies = work_.optimizer.low_precision_copies()) copies->mark_current();
}

void DeviceStep::work_on(const Graph& graph, const at::Tensor& images, const at::Tensor& labels) {
  const ops::BatchCounterScope counters;
  const ops::LowPrecisionScope copies(work_.optimizer.low_precision_copies());
  const int64_t count = images.size(0);
  const int64_t parts = graph.shares.size(0);
  work_.optimizer.zero_grad();
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = count * part / parts;
    const int64_t length = count * (part + 1) / parts - begin;
    const at::Tensor part_labels = labels.narrow(0, begin, length);
    Pass pass = work_.forward(images.narrow(0, begin, length), part_labels);
    if (!pass.correct.defined()) pass.correct = pass.logits.detach().argmax(1).eq(part_labels).sum().to(at::kFloat);
    // Each loss with its factor: the derivative of their weighted sum, which is needed for its derivative alone.
    torch::autograd::variable_list losses = {pass.cross_entropy};
    torch::autograd::variable_list factors = {graph.shares.select(0, part)};
    for (size_t k = 0; k < pass.terms.size(); ++k) {
      losses.push_back(pass.terms[k].loss);
      factors.push_back(graph.seeds.select(0, part).select(0, static_cast<int64_t>(k)));
    }
    for (size_t k = 0; k < losses.size(); ++k) factors[k] = factors[k].to(losses[k].scalar_type());
    torch::autograd::backward(losses, factors);
    const bool is_last = part + 1 == parts;
    const at::Tensor norm = is_last && work_.clip_norm ? work_.optimizer.clip_gradients_on_device(*work_.clip_norm) : at::Tensor();
    report(pass, part, parts, count, norm);
  }
  work_.optimizer.step_on_device(schedule_.rates(), finite_);
  std::vector<ops::StepEnd::Counter> ends;
  for (const auto& [counter, increment] : counters.counted()) {
    ends.push_back({counter.data_ptr<int64_t>(), increment});
    ops::mark_changed(counter);
  }
  ops::accelerator_of(device_.type())->step_end({ends.data(), static_cast<int64_t>(ends.size()), schedule_.position(), schedule_.step()});
}

void DeviceStep::require_report(int64_t values) {
  if (values_.defined()) return;
  values_ = numbers({values + kExtra});
  first_bad_ = numbers({values + kExtra + 1});
  sums_ = numbers({values + kExtra});
  if (!first_sums_.empty()) sums_.copy_(at::tensor(first_sums_, at::kDouble));
}

void DeviceStep::report(const Pass& pass, int64_t part, int64_t parts, int64_t images, const at::Tensor& norm) {
  std::vector<at::Tensor> scalars;  // which live until the kernel has its work
  for (const auto& scalar : pass.scalars()) scalars.push_back(readable(scalar));
  require_report(static_cast<int64_t>(scalars.size()));
  const at::Tensor correct = pass.correct.contiguous();
  const int64_t length = images * (part + 1) / parts - images * part / parts;
  ops::StepReport call{};
  TORCH_CHECK(scalars.size() <= ops::kMostScalars, "expected at most ", ops::kMostScalars, " losses in a step, got ", scalars.size());
  for (size_t i = 0; i < scalars.size(); ++i) call.scalars[i] = {scalars[i].const_data_ptr(), scalars[i].scalar_type() == at::kDouble};
  call.count = static_cast<int32_t>(scalars.size());
  call.first_part = part == 0;
  call.last_part = part + 1 == parts;
  call.share = static_cast<double>(length) / static_cast<double>(images);
  call.images = static_cast<double>(images);
  call.correct = correct.const_data_ptr<float>();
  call.norm = norm.defined() ? norm.const_data_ptr<double>() : nullptr;
  call.values = values_.data_ptr<double>();
  call.sums = sums_.data_ptr<double>();
  call.first_bad = first_bad_.data_ptr<double>();
  call.finite = finite_.data_ptr<float>();
  call.step = schedule_.step();
  ops::accelerator_of(device_.type())->step_report(call);
}

std::string DeviceStep::why_not_replayed() const {
  if (replays_) return "";
  if (!why_not_recorded_.empty()) return why_not_recorded_;
  return is_new_ ? "the first steps with batches of a size are not recorded" : "steps with batches of other sizes are recorded, and no more are";
}

bool DeviceStep::may_record() const {
  if (!why_not_recorded_.empty()) return false;
  size_t recorded = 0;
  for (const auto& [kind, graph] : graphs_) recorded += graph.recorded ? 1 : 0;
  return recorded < kMostGraphs;
}

void DeviceStep::record(Graph& graph, const std::function<void()>& work) {
  work_.optimizer.zero_grad();
  try {
    graph.recorded = ops::DeviceGraph::record(*streams_, work);
    graph.gradients = work_.optimizer.gradients();
    graph.state = state();
  } catch (const c10::OutOfMemoryError&) {
    why_not_recorded_ = "a step could not be recorded: the device is out of memory for it; use smaller batches or more microbatches (accumulate)";
  } catch (const std::exception& error) {
    // What cannot be recorded is done step by step. Errors of the step itself come again there.
    const std::string message = error.what();
    why_not_recorded_ = "a step could not be recorded: " + message.substr(0, message.find('\n'));
  }
}

StateVersion DeviceStep::state() const {
  StateVersion result = {{schedule_.address(), 0}};
  for (const auto& tensor : work_.frozen) result.emplace_back(tensor.const_data_ptr(), tensor._version());
  for (const auto& tensor : work_.changed) result.emplace_back(tensor.const_data_ptr(), 0);
  return result;
}

DeviceReport DeviceStep::read() {
  DeviceReport report;
  if (!values_.defined()) return report;
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  // One copy for all.
  const at::Tensor all = at::cat({values_, sums_, first_bad_, finite_.to(at::kDouble).reshape({1})}).cpu();
  const int64_t length = values_.size(0);
  const double* value = all.const_data_ptr<double>();
  report.gradient_norm = value[0];
  report.correct = static_cast<int64_t>(value[1]);
  report.values.assign(value + kExtra, value + length);
  const double* sum = value + length;
  report.images = static_cast<int64_t>(sum[0]);
  report.all_correct = static_cast<int64_t>(sum[1]);
  report.sums.assign(sum + kExtra, sum + length);
  const double* bad = sum + length;
  if (bad[length + 1] == 0) {
    report.bad_norm = bad[0];
    report.bad_values.assign(bad + kExtra, bad + length);
    report.bad_step = static_cast<int64_t>(bad[length]);
  }
  return report;
}

void DeviceStep::begin_sums(int64_t images, int64_t correct, const std::vector<double>& sums) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  has_steps_ = false;
  finite_.fill_(1.0);
  first_sums_.clear();
  if (!sums.empty()) {
    first_sums_ = {static_cast<double>(images), static_cast<double>(correct)};
    first_sums_.insert(first_sums_.end(), sums.begin(), sums.end());
  }
  if (!sums_.defined()) return;
  if (first_sums_.empty()) sums_.zero_();
  else sums_.copy_(at::tensor(first_sums_, at::kDouble));
}

}  // namespace reviewkd
