#include "core/training/device_step.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <cstdlib>
#include <string_view>

#include "core/ops/accelerators.h"

namespace reviewkd {
namespace {

/// Steps of a shape before it is recorded: libraries choose their algorithms and take their memory in the first ones.
constexpr int64_t kStepsBefore = 3;
/// A graph keeps the memory of a step to itself.
constexpr size_t kMostGraphs = 3;

/// Places in front of a step's values in values_ and sums_, and behind them in bad_values_.
constexpr int64_t kExtra = 2;

bool graphs_wanted() {
  const char* wish = std::getenv("REVIEWKD_CUDA_GRAPHS");
  return wish == nullptr || std::string_view(wish) != "0";
}

/// Copied while the device works on, where memory allows that.
at::Tensor moved(const at::Tensor& tensor, c10::Device device) {
  if (!tensor.is_cpu() || !device.is_cuda()) return tensor.to(device);
  return tensor.pin_memory().to(device, tensor.scalar_type(), /*non_blocking=*/true);
}

}  // namespace

std::unique_ptr<DeviceStep> DeviceStep::create(c10::Device device, DeviceWork work) {
  const ops::Accelerator* accelerator = ops::accelerator_of(device.type());
  return accelerator == nullptr ? nullptr : std::make_unique<DeviceStep>(*accelerator, device, std::move(work));
}

DeviceStep::DeviceStep(const ops::Accelerator& accelerator, c10::Device device, DeviceWork work)
    : device_(device), work_(std::move(work)), streams_(ops::DeviceStreams::create(accelerator)) {
  const at::TensorOptions floats = at::TensorOptions(at::kFloat).device(device);
  rate_ = at::zeros({}, floats);
  finite_ = at::ones({}, floats);
  step_ = numbers({});
  if (!streams_) why_not_recorded_ = "this device has no graphs";
  else if (!graphs_wanted()) why_not_recorded_ = "REVIEWKD_CUDA_GRAPHS is 0";
}

at::Tensor DeviceStep::numbers(at::IntArrayRef sizes) const { return at::zeros(sizes, at::TensorOptions(at::kDouble).device(device_)); }

void DeviceStep::run(const at::Tensor& images, const at::Tensor& labels, const std::vector<double>& weights, double learning_rate, int64_t step) {
  const c10::OptionalDeviceGuard guard(device_);
  const ops::StreamsScope streams(streams_.get());
  const at::Tensor input = moved(images, device_);
  const at::Tensor target = moved(labels, device_);
  prepare(weights, learning_rate, step);
  Shape& shape = shapes_[input.sizes().vec()];
  if (shape.graph && shape.state != state()) shape.graph.reset();
  if (!shape.graph && may_record(shape)) record(shape, input, target);
  replays_ = shape.graph != nullptr;
  is_new_ = shape.steps < kStepsBefore;
  if (replays_) replay(shape, input, target);
  else work_on(input, target);
  ++shape.steps;
}

void DeviceStep::prepare(const std::vector<double>& weights, double learning_rate, int64_t step) {
  rate_.fill_(learning_rate);
  step_.fill_(static_cast<double>(step));
  if (weights == known_weights_ && weights_.defined()) return;
  if (!weights_.defined()) weights_ = numbers({static_cast<int64_t>(weights.size())});
  for (size_t k = 0; k < weights.size(); ++k) weights_.select(0, static_cast<int64_t>(k)).fill_(weights[k]);
  known_weights_ = weights;
}

void DeviceStep::work_on(const at::Tensor& images, const at::Tensor& labels) {
  const int64_t count = images.size(0);
  const int64_t parts = std::min(work_.accumulate, count);
  work_.optimizer.zero_grad();
  at::Tensor values, correct;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = count * part / parts;
    const int64_t length = count * (part + 1) / parts - begin;
    const double share = static_cast<double>(length) / static_cast<double>(count);
    const at::Tensor part_labels = labels.narrow(0, begin, length);
    const Pass pass = work_.forward(images.narrow(0, begin, length), part_labels);
    at::Tensor total = pass.cross_entropy.to(at::kDouble);
    for (size_t k = 0; k < pass.terms.size(); ++k) total = total + weights_.select(0, static_cast<int64_t>(k)) * pass.terms[k].loss;
    (share * total).backward();
    const at::Tensor part_values = pass.values() * share;
    const at::Tensor part_correct = pass.logits.detach().argmax(1).eq(part_labels).sum();
    values = values.defined() ? values + part_values : part_values;
    correct = correct.defined() ? correct + part_correct : part_correct;
  }
  const at::Tensor norm = work_.clip_norm ? work_.optimizer.clip_gradients_on_device(*work_.clip_norm) : numbers({});
  note(values, norm, correct, count);
  work_.optimizer.step_on_device(rate_, finite_);
}

void DeviceStep::note(const at::Tensor& values, const at::Tensor& norm, const at::Tensor& correct, int64_t images) {
  const at::NoGradGuard no_grad;
  const int64_t length = values.size(0) + kExtra;
  if (!values_.defined()) {
    values_ = numbers({length});
    bad_values_ = numbers({length + 1});
    sums_ = numbers({length});
    if (!first_sums_.empty()) sums_.copy_(at::tensor(first_sums_, at::kDouble));
  }
  const at::Tensor found = at::cat({norm.reshape({1}), correct.to(at::kDouble).reshape({1}), values});
  const at::Tensor is_finite = found.isfinite().all();
  const at::Tensor is_first_bad = is_finite.logical_not().logical_and(finite_ != 0);
  values_.copy_(found);
  bad_values_.copy_(at::where(is_first_bad, at::cat({found, step_.reshape({1})}), bad_values_));
  finite_.mul_(is_finite);
  // [images, correct, values]
  const at::Tensor count = at::full({1}, static_cast<double>(images), values.options());
  const at::Tensor share = at::cat({count, correct.to(at::kDouble).reshape({1}), values * static_cast<double>(images)});
  sums_.add_(at::where(finite_ != 0, share, at::zeros_like(share)));
}

std::string DeviceStep::why_not_replayed() const {
  if (replays_) return "";
  if (!why_not_recorded_.empty()) return why_not_recorded_;
  return is_new_ ? "the first steps with batches of a size are not recorded" : "steps with batches of other sizes are recorded, and no more are";
}

bool DeviceStep::may_record(const Shape& shape) const {
  if (!why_not_recorded_.empty() || shape.steps < kStepsBefore) return false;
  size_t graphs = 0;
  for (const auto& [sizes, other] : shapes_) graphs += other.graph ? 1 : 0;
  return graphs < kMostGraphs;
}

void DeviceStep::record(Shape& shape, const at::Tensor& images, const at::Tensor& labels) {
  shape.images = images.clone();
  shape.labels = labels.clone();
  work_.optimizer.zero_grad();
  try {
    shape.graph = ops::DeviceGraph::record(*streams_, [&] { work_on(shape.images, shape.labels); });
    shape.gradients = work_.optimizer.gradients();
    shape.state = state();
  } catch (const std::exception& error) {
    // What cannot be recorded is done step by step. Errors of the step itself come again there.
    const std::string message = error.what();
    why_not_recorded_ = "a step could not be recorded: " + message.substr(0, message.find('\n'));
    shape.images = shape.labels = at::Tensor();
  }
}

void DeviceStep::replay(Shape& shape, const at::Tensor& images, const at::Tensor& labels) {
  shape.images.copy_(images, /*non_blocking=*/true);
  shape.labels.copy_(labels, /*non_blocking=*/true);
  work_.optimizer.set_gradients(shape.gradients);
  shape.graph->replay();
  for (const auto& tensor : work_.changed) ops::mark_changed(tensor);
}

std::vector<std::pair<const void*, uint32_t>> DeviceStep::state() const {
  std::vector<std::pair<const void*, uint32_t>> result;
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
  const at::Tensor all = at::cat({values_, sums_, bad_values_, finite_.to(at::kDouble).reshape({1})}).cpu();
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
