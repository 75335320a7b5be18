#include "core/training/optimizers/sgd.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <regex>
#include <unordered_set>

#include "core/base/error.h"
#include "core/ops/sgd/sgd_step.h"

namespace reviewkd {
namespace {

std::vector<std::regex> compile(const std::vector<ParameterGroup>& groups) {
  std::vector<std::regex> patterns;
  for (const auto& group : groups) {
    try {
      patterns.emplace_back(group.pattern);
    } catch (const std::regex_error& error) {
      fail(ErrorCode::kInvalidArgument,
           "invalid pattern of a parameter group: expected a regular expression, received \"", group.pattern, "\" (",
           error.what(), "). Escape its special characters.");
    }
  }
  return patterns;
}

}  // namespace

SgdOptions SgdOptions::from(const Options& options) {
  SgdOptions sgd{
      .learning_rate = options.number("learningRate"),
      .momentum = options.number("momentum"),
      .nesterov = options.boolean("nesterov"),
      .weight_decay = options.number("weightDecay"),
      .norm_weight_decay = std::nullopt,
      .groups = {},
  };
  options.read("normWeightDecay", sgd.norm_weight_decay);
  for (const Options& entry : options.list("groups")) {
    ParameterGroup group{entry.string("pattern"), entry.number("learningRateScale"), std::nullopt};
    entry.read("weightDecay", group.weight_decay);
    sgd.groups.push_back(std::move(group));
  }
  return sgd;
}

Sgd::Sgd(NamedTensors parameters, const std::vector<at::Tensor>& norms, const SgdOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  const auto patterns = compile(options.groups);
  std::unordered_set<const void*> of_norms;
  for (const at::Tensor& norm : norms) of_norms.insert(norm.unsafeGetTensorImpl());
  std::vector<int64_t> matches(patterns.size(), 0);
  for (const auto& [name, parameter] : parameters_) {
    const bool is_norm = of_norms.contains(parameter.unsafeGetTensorImpl());
    const double decay = is_norm ? options.norm_weight_decay.value_or(options.weight_decay) : options.weight_decay;
    Slot slot{at::zeros_like(parameter.detach()), 1.0, decay};
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (!std::regex_search(name, patterns[i])) continue;
      ++matches[i];
      slot.learning_rate_scale = options.groups[i].learning_rate_scale;
      slot.weight_decay = options.groups[i].weight_decay.value_or(decay);
      break;
    }
    slots_.push_back(std::move(slot));
  }
  for (size_t i = 0; i < matches.size(); ++i) {
    if (matches[i] == 0) {
      fail(ErrorCode::kInvalidArgument,
           "invalid pattern of a parameter group: expected one that matches a parameter of no earlier group, received "
           "\"",
           options.groups[i].pattern, "\". Compare it with the names of the state dict.");
    }
  }
}

void Sgd::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < slots_.size(); ++i) {
    auto& parameter = parameters_[i].second;
    auto& slot = slots_[i];
    if (!parameter.grad().defined()) continue;
    ops::sgd_step(parameter, parameter.grad(), slot.momentum_buffer,
                  {.rate = learning_rate * slot.learning_rate_scale,
                   .momentum = options_.momentum,
                   .decay = slot.weight_decay,
                   .nesterov = options_.nesterov});
  }
}

void Sgd::zero_grad() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad() = at::Tensor();
  if (copies_) copies_->clear_gradients();
}

double Sgd::clip_gradients(double limit) {
  torch::NoGradGuard no_grad;
  at::Tensor squares = at::zeros({}, at::kDouble);
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.grad().defined()) squares += parameter.grad().pow(2).sum(at::kDouble).to(at::kCPU);
  }
  const double norm = squares.sqrt().item<double>();
  if (norm > limit) {
    for (auto& [name, parameter] : parameters_) {
      if (parameter.grad().defined()) parameter.mutable_grad().mul_(limit / norm);
    }
  }
  return norm;
}

void Sgd::step_on_device(const ops::DeviceRates& rates, const at::Tensor& finite) {
  torch::NoGradGuard no_grad;
  std::vector<ops::DeviceSgdStep> steps;
  const auto gradients = this->gradients();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const auto& parameter = parameters_[i].second;
    const auto* copy = copies_ ? copies_->find(parameter) : nullptr;
    steps.push_back({parameter, gradients[i], slots_[i].momentum_buffer, copy != nullptr ? copy->values : at::Tensor(),
                     slots_[i].learning_rate_scale, slots_[i].weight_decay});
  }
  ops::sgd_on_device(steps, rates, finite, options_.momentum, options_.nesterov);
  if (copies_) copies_->mark_current();
}

void Sgd::keep_low_precision_copies() {
  std::vector<at::Tensor> weights;
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.dim() == 4) weights.push_back(parameter);
  }
  copies_ = std::make_unique<ops::LowPrecisionCopies>(weights);
}

void Sgd::check_devices() const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const at::Device now = parameters_[i].second.device();
    const at::Device then = slots_[i].momentum_buffer.device();
    if (now == then) continue;
    fail(ErrorCode::kDeviceMismatch, "invalid device of ", parameters_[i].first, ": expected ", then, ", received ",
         now, ": another session moved the network. Create a new session for it, or let both use one device.");
  }
}

at::Tensor Sgd::clip_gradients_on_device(double limit) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> squares;
  for (const auto& gradient : gradients()) {
    if (gradient.defined()) squares.push_back(gradient.to(at::kFloat).pow(2).sum(at::kDouble));
  }
  const at::Tensor norm = at::stack(squares).sum().sqrt();
  const at::Tensor factor = (limit / norm).clamp_max(1.0);
  for (auto& gradient : gradients()) {
    // In float32 and rounded once, whatever the gradient's type.
    if (gradient.defined()) gradient.copy_(gradient.to(at::kFloat) * factor.to(at::kFloat));
  }
  return norm;
}

std::vector<at::Tensor> Sgd::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters_) {
    const auto* copy = copies_ ? copies_->find(parameter) : nullptr;
    gradients.push_back(copy != nullptr && copy->gradient.defined() ? copy->gradient : parameter.grad());
  }
  return gradients;
}

void Sgd::set_gradients(const std::vector<at::Tensor>& gradients) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i].second;
    auto* copy = copies_ ? copies_->find(parameter) : nullptr;
    if (copy != nullptr) copy->gradient = gradients.at(i);
    else parameter.mutable_grad() = gradients.at(i);
  }
}

NamedTensors Sgd::state() const {
  NamedTensors state;
  for (size_t i = 0; i < slots_.size(); ++i) state.emplace_back(parameters_[i].first, slots_[i].momentum_buffer);
  return state;
}

}  // namespace reviewkd
