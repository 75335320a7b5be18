#include "core/training/session.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/data/resident_images.h"
#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/cross_entropy/device.h"
#include "core/ops/backend/dispatch.h"
#include "core/base/stopwatch.h"
#include "core/training/evaluator.h"

namespace reviewkd {
namespace {

void freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

void unfreeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(true);
}

NamedTensors only_parameters(const NamedTensors& state) {
  NamedTensors parameters;
  for (const auto& [name, tensor] : state) {
    if (tensor.requires_grad()) parameters.emplace_back(name, tensor);
  }
  return parameters;
}

/// Networks in the state in which they train. Comes before the optimizer, which takes up their parameters.
NamedTensors prepared(const Distiller& distiller) {
  freeze(*distiller.teacher().module);
  unfreeze(*distiller.student().module);
  use_fast_memory_order(*distiller.teacher().module);
  use_fast_memory_order(*distiller.student().module);
  use_fast_memory_order(distiller.modules());
  return only_parameters(distiller_state(distiller));
}

/// How long an epoch on a device goes on at most before it is read back how it stands.
constexpr double kSecondsUnread = 0.25;

/// How much work a device is given at a time at most, if that is more than one step: within it, no stop is noticed.
constexpr double kSecondsAtOnce = 0.02;

/// What Pass::values would be, for losses or for sums of such.
std::vector<double> values_of(const Losses& losses) {
  std::vector<double> values = {losses.cross_entropy};
  for (const auto& term : losses.terms) {
    values.push_back(term.loss);
    values.insert(values.end(), term.per_stage.begin(), term.per_stage.end());
  }
  return values;
}

NamedTensors prepared(Network& network) {
  unfreeze(*network.module);
  use_fast_memory_order(*network.module);
  return only_parameters(state_dict(*network.module));
}

}  // namespace

Losses EpochState::means() const {
  const double count = images > 0 ? static_cast<double>(images) : 1.0;
  Losses result = sums;
  result.for_each([&](double& value) { value /= count; });
  return result;
}

NamedTensors distiller_state(const Distiller& distiller) {
  NamedTensors state = state_dict(*distiller.student().module, "student.");
  for (auto& entry : state_dict(distiller.modules())) state.push_back(std::move(entry));
  return state;
}

Session::Session(std::shared_ptr<Distiller> distiller, const SessionOptions& options)
    : distiller_(std::move(distiller)),
      network_(distiller_->student_network()),
      options_(options),
      optimizer_(prepared(*distiller_), options.optimizer),
      learning_rate_(options.optimizer.learning_rate) {}

Session::Session(std::shared_ptr<Network> network, const SessionOptions& options)
    : network_(std::move(network)),
      options_(options),
      optimizer_(prepared(*network_), options.optimizer),
      learning_rate_(options.optimizer.learning_rate) {}

void Session::use_threads() const {
  at::set_num_threads(options_.threads > 0 ? options_.threads : at::intraop_default_num_threads());
}

StepResult Session::step(const at::Tensor& images, const at::Tensor& labels) {
  check_batch(images, labels);
  check_devices();
  DeviceStep* device = device_step();
  if (device == nullptr) return run_step(images, labels);
  const ops::StreamsScope streams(device->streams());
  device->begin_schedule({learning_rate_}, 0, steps_);
  StepResult result = run_step(images, labels);
  complete(result);
  return result;
}

void Session::check_devices() const {
  optimizer_.check_devices();
  if (!distiller_ || distiller_->teacher().device() == network_->device()) return;
  fail(ErrorCode::kDeviceMismatch, "invalid device of the teacher: expected ", network_->device(), " like the student's, received ",
       distiller_->teacher().device(), ". Another session moved it; create a new session, or let all of them use one device.");
}

template <typename HandOver>
int64_t Session::run_on_device(const HandOver& hand_over) {
  const NetworkLock lock(*network_, distiller_ ? &distiller_->teacher() : nullptr);
  check_devices();
  const int64_t steps = hand_over(weights());
  steps_ += steps;
  return steps;
}

StepResult Session::run_step(const at::Tensor& images, const at::Tensor& labels) {
  if (DeviceStep* device = device_step()) {
    Stopwatch watch;
    run_on_device([&](const std::vector<double>& weights) {
      device->run(as_input(images, network_->dtype(), images.device()), labels, weights);
      return int64_t{1};
    });
    StepResult result;
    result.seconds.backward = watch.lap();
    result.learning_rate = learning_rate_;
    result.step = steps_;
    return result;
  }
  const NetworkLock lock(*network_, distiller_ ? &distiller_->teacher() : nullptr);
  check_devices();
  const ops::ReferenceScope path(options_.reference);
  const auto weights = this->weights();
  const at::Tensor input = as_input(images, network_->dtype(), network_->device());  // [N, 3, H, W]
  const at::Tensor target = labels.to(network_->device());                           // [N]
  const int64_t count = input.size(0);
  const int64_t parts = std::min(options_.accumulate, count);

  optimizer_.zero_grad();
  correct_ = 0;
  StepResult result;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = count * part / parts;
    const int64_t length = count * (part + 1) / parts - begin;
    const double share = static_cast<double>(length) / static_cast<double>(count);
    Stopwatch watch;
    const Pass pass = forward(input.narrow(0, begin, length), target.narrow(0, begin, length));
    const at::Tensor values = pass.values().cpu();  // one copy for all terms
    const Losses losses = losses_of(values.const_data_ptr<double>(), weights);
    check_finite(losses, steps_);
    result.seconds.teacher += pass.teacher_seconds;
    result.seconds.student += pass.student_seconds;
    result.seconds.method += watch.lap() - pass.teacher_seconds - pass.student_seconds;

    at::Tensor total = pass.cross_entropy.to(at::kDouble);
    for (size_t k = 0; k < pass.terms.size(); ++k) total = total + weights[k] * pass.terms[k].loss;
    (share * total).backward();
    result.seconds.backward += watch.lap();

    result.losses.add(losses, share);
    correct_ += pass.logits.detach().argmax(1).eq(target.narrow(0, begin, length)).sum().item<int64_t>();
  }
  // Weights are no means of the parts: what they sum up to may have been rounded.
  for (size_t k = 0; k < weights.size(); ++k) result.losses.terms[k].weight = weights[k];
  result.losses.distillation_weight = overall_weight(weights);

  Stopwatch watch;
  if (options_.clip_norm) {
    result.gradient_norm = optimizer_.clip_gradients(*options_.clip_norm);
    check_norm(*result.gradient_norm, steps_);
  }
  optimizer_.step(learning_rate_);
  result.seconds.optimizer = watch.lap();
  result.learning_rate = learning_rate_;
  result.step = ++steps_;
  return result;
}

Pass Session::forward(const at::Tensor& images, const at::Tensor& labels) {
  const PrecisionScope scope(options_.precision, network_->device());
  Pass pass;
  if (distiller_) {
    DistillerOutput output = distiller_->forward(images, labels);
    pass.logits = output.student.logits;
    pass.terms = std::move(output.terms);
    pass.teacher_seconds = output.teacher_seconds;
    pass.student_seconds = output.student_seconds;
  } else {
    Stopwatch watch;
    network_->module->train();
    pass.logits = network_->module->forward(images).logits;
    pass.student_seconds = watch.lap();
  }
  if (auto classified = ops::cross_entropy_on_device(pass.logits, labels)) {
    pass.cross_entropy = std::move(classified->cross_entropy);
    pass.correct = std::move(classified->correct);
  } else {
    pass.cross_entropy = at::cross_entropy_loss(at_least_float32(pass.logits), labels);
  }
  return pass;
}

std::vector<double> Session::weights() const { return distiller_ ? distiller_->weights_at(state_.epoch) : std::vector<double>{}; }

double Session::overall_weight(const std::vector<double>& weights) const {
  if (!distiller_) return 0.0;
  return distiller_->options().is_sum ? 1.0 : weights.at(0);
}

Losses Session::losses_of(const double* value, const std::vector<double>& weights) const {
  Losses losses;
  losses.cross_entropy = *value++;
  losses.distillation_weight = overall_weight(weights);
  for (size_t k = 0; k < weights.size(); ++k) {
    const size_t stages = distiller_->terms()[k].method->stages().size();
    TermLosses term{distiller_->terms()[k].kind, *value++, weights[k], {value, value + stages}};
    value += stages;
    losses.distillation += distiller_->options().is_sum ? term.weight * term.loss : term.loss;
    losses.terms.push_back(std::move(term));
  }
  losses.total = losses.cross_entropy + losses.distillation_weight * losses.distillation;
  return losses;
}

void Session::check_norm(double norm, int64_t step) const {
  if (std::isfinite(norm)) return;
  fail(ErrorCode::kNonFiniteLoss, "invalid gradients in step ", step, ": expected finite values, received a norm of ", norm,
       ". Lower the learning rate or lengthen its warm-up.");
}

void Session::check_finite(const Losses& losses, int64_t step) const {
  const auto check = [&](double value, const std::string& term) {
    if (std::isfinite(value)) return;
    fail(ErrorCode::kNonFiniteLoss, "invalid loss in step ", step, ": expected a finite value, received ", value, " for ", term,
         ". Lower the learning rate, lengthen its warm-up or bound the gradients (clipNorm); check the data for NaN.");
  };
  check(losses.cross_entropy, "crossEntropy");
  for (size_t k = 0; k < losses.terms.size(); ++k) {
    const auto& stages = distiller_->terms()[k].method->stages();
    const auto& per_stage = losses.terms[k].per_stage;
    for (size_t i = 0; i < per_stage.size(); ++i) {
      check(per_stage[i], distiller_->name_of(k) + " at stage " + std::to_string(stages.at(i)) + " (" +
                              distiller_->matching().stage(stages.at(i)).teacher.name + ")");
    }
    check(losses.terms[k].loss, distiller_->name_of(k));
  }
}

void check_labels(const at::Tensor& labels, const at::Tensor& images, int64_t classes) {
  if (labels.scalar_type() != at::kLong) {
    fail(ErrorCode::kDtypeMismatch, "invalid labels: expected int64, received ", labels.scalar_type(), ".");
  }
  if (labels.dim() != 1 || labels.size(0) != images.size(0)) {
    fail(ErrorCode::kShapeMismatch, "invalid labels: expected shape [", images.size(0), "], received ", labels.sizes(), ".");
  }
  const int64_t lowest = labels.min().item<int64_t>();
  const int64_t highest = labels.max().item<int64_t>();
  if (lowest < 0 || highest >= classes) {
    fail(ErrorCode::kLabelOutOfRange, "invalid labels: expected 0 to ", classes - 1, ", received ", lowest < 0 ? lowest : highest, ".");
  }
}

void Session::check_batch(const at::Tensor& images, const at::Tensor& labels) const {
  image_size_of(images);
  if (!images.is_floating_point()) {
    fail(ErrorCode::kDtypeMismatch, "invalid images: expected normalized floating-point values, received ", images.scalar_type(), ".");
  }
  check_labels(labels, images, network_->module->num_classes());
}

EpochState Session::train_epoch(const ImageSet& images, const EpochOptions& options, const EpochProgress& progress,
                                const std::atomic<bool>& stop, const std::function<bool()>& asked) {
  check_classes(*network_->module, images);
  const bool goes_on = state_.epoch == options.epoch && state_.step > 0 && state_.step < state_.steps;
  BatchPlan plan{
      .batch_size = options.batch_size,
      .seed = options.seed,
      .epoch = options.epoch,
      .shuffle = true,
      .augment = options.augment,
      .smallest_batch = std::min<int64_t>(2, options.batch_size),
      .first_batch = goes_on ? state_.step : 0,
  };
  const int64_t steps = batch_count(images.size, plan);
  if (steps == 0) fail(ErrorCode::kBatchTooSmall, "invalid training data: expected at least 2 images, received ", images.size, ".");
  if (goes_on && steps != state_.steps) {
    fail(ErrorCode::kInvalidArgument, "invalid epoch ", state_.epoch, ": expected ", state_.steps, " steps, as when it started, received ", steps,
         ". Continue it with the same data and batch size.");
  }
  if (!goes_on) {
    state_ = EpochState{};
    state_.epoch = options.epoch;
    state_.steps = steps;
  }

  check_devices();
  DeviceStep* device = device_step();
  const ops::StreamsScope streams(device != nullptr ? device->streams() : nullptr);
  if (device != nullptr) {
    if (goes_on) device->begin_sums(state_.images, state_.correct, values_of(state_.sums));
    else device->begin_sums();
    std::vector<double> rates;
    for (int64_t step = 0; step < steps; ++step) rates.push_back(rate_at(options, step));
    device->begin_schedule(rates, state_.step, steps_);
  }
  const auto source = open_on(network_->device(), images, plan, picks_);
  ResidentPass* resident = device != nullptr ? source->resident() : nullptr;
  Stopwatch watch;
  Stopwatch unread;
  double seconds_unread = kSecondsUnread;
  Stopwatch since_settled;
  int64_t settled = state_.step;
  /// A checkpoint that is saved after an error holds what was done before it.
  const auto settled_on_error = [&](const auto& work) {
    try {
      return work();
    } catch (...) {
      if (device != nullptr && state_.step > 0) settle();
      throw;
    }
  };
  while (state_.step < steps) {
    double waited = 0;
    if (resident != nullptr && resident->whole_batches_left() > 0) {
      const int64_t taken = settled_on_error([&] {
        return run_on_device([&](const std::vector<double>& weights) { return device->run(*resident, weights, steps_at_once(stop || (asked && asked()))); });
      });
      state_.step += taken;
      learning_rate_ = state_.learning_rate = rate_at(options, state_.step - 1);
    } else {
      const auto batch = settled_on_error([&] { return source->next(); });
      if (!batch) break;
      waited = watch.lap();
      learning_rate_ = rate_at(options, state_.step);
      add_to_epoch(settled_on_error([&] { return run_step(batch->images, batch->labels); }), *batch);
    }
    seconds_unread += unread.lap();
    const bool stopped = stop;
    const bool is_read =
        device == nullptr || stopped || state_.step == steps || seconds_unread >= kSecondsUnread || (asked && asked());
    if (device != nullptr && is_read) {
      settle();
      seconds_per_step_ = since_settled.lap() / static_cast<double>(std::max<int64_t>(1, state_.step - settled));
      settled = state_.step;
      seconds_unread = 0;
    }
    state_.stall_seconds += waited;
    state_.seconds += waited + watch.lap();
    if (progress && is_read) progress(state_);
    watch.lap();  // reports, and checkpoints that are written between two steps, are no training
    if (stopped) break;
  }
  if (state_.step < steps) {
    if (stop) throw Error(ErrorCode::kAborted, "the epoch was stopped after step " + std::to_string(state_.step) + ".");
    fail(ErrorCode::kInvalidArgument, "invalid data set ", images.kind, ": expected ", steps, " batches for epoch ", options.epoch,
         ", received ", state_.step, ".");
  }
  return state_;
}

int64_t Session::steps_at_once(bool is_awaited) const {
  if (is_awaited || seconds_per_step_ <= 0) return 1;
  return static_cast<int64_t>(std::max(1.0, kSecondsAtOnce / seconds_per_step_));
}

double Session::rate_at(const EpochOptions& options, int64_t step) const {
  const StepPosition position{options.epoch, options.epochs, step, state_.steps};
  return options_.optimizer.learning_rate * learning_rate_scale(options.schedule, position);
}

void Session::add_to_epoch(const StepResult& result, const Batch& batch) {
  const int64_t images = batch.labels.size(0);
  if (device_step_ == nullptr) {
    state_.sums.add(result.losses, static_cast<double>(images));
    state_.correct += correct_;
    state_.images += images;
  }
  state_.replaced += batch.replaced;
  state_.learning_rate = result.learning_rate;
  ++state_.step;
}

NamedTensors Session::gradients() const {
  const NetworkLock lock(*network_);
  NamedTensors gradients;
  const auto values = optimizer_.gradients();
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& [name, parameter] = optimizer_.parameters()[i];
    if (values[i].defined()) gradients.emplace_back(name, values[i].to(parameter.scalar_type()));
  }
  return detached_copy(gradients);
}

Network* Session::moving_teacher() const {
  return distiller_ && distiller_->options().teacher_mode == TeacherMode::kTrain ? &distiller_->teacher() : nullptr;
}

NamedTensors Session::training_state() const {
  NamedTensors state;
  if (distiller_) {
    state = distiller_state(*distiller_);
    if (distiller_->options().teacher_mode == TeacherMode::kTrain) {
      for (auto& entry : state_dict(*distiller_->teacher().module, "teacher.")) state.push_back(std::move(entry));
    }
  } else {
    state = state_dict(*network_->module);
  }
  for (auto& [name, velocity] : optimizer_.state()) state.emplace_back("optimizer." + name, velocity);
  return state;
}

std::vector<std::string> Session::term_kinds() const {
  std::vector<std::string> kinds;
  if (distiller_) {
    for (const auto& term : distiller_->terms()) kinds.push_back(term.kind);
  }
  return kinds;
}

void Session::set_epoch(int64_t epoch) {
  if (epoch == state_.epoch) return;
  state_ = EpochState{};
  state_.epoch = epoch;
}

void Session::restore(const EpochState& state, int64_t steps, double learning_rate) {
  state_ = state;
  steps_ = steps;
  learning_rate_ = learning_rate;
}

std::shared_ptr<Network> Session::frozen_teacher() const {
  if (!distiller_ || distiller_->options().teacher_mode == TeacherMode::kTrain) return nullptr;
  return distiller_->teacher_network();
}

}  // namespace reviewkd
