// What a session does where its steps go beside the host: handing them over, and reading back what they gave.

#include "core/base/error.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/training/session.h"

namespace reviewkd {
namespace {

std::vector<at::Tensor> tensors_of(const torch::nn::Module& module) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : state_dict(module)) tensors.push_back(tensor);
  return tensors;
}

}  // namespace

DeviceStep* Session::device_step() {
  if (options_.reference || network_->dtype() != at::kFloat) return nullptr;
  if (device_ == network_->device()) return device_step_.get();
  device_ = network_->device();
  std::vector<at::Tensor> changed = tensors_of(*network_->module);
  std::vector<at::Tensor> frozen;
  if (distiller_) {
    for (auto& tensor : tensors_of(distiller_->modules())) changed.push_back(tensor);
    const bool moves = distiller_->options().teacher_mode == TeacherMode::kTrain;
    for (auto& tensor : tensors_of(*distiller_->teacher().module)) (moves ? changed : frozen).push_back(tensor);
  }
  if (options_.precision == Precision::kBfloat16 && ops::kernel_backend_of(device_->type()) != nullptr) optimizer_.keep_low_precision_copies();
  device_step_ = DeviceStep::create(*device_, {
      .forward = [this](const at::Tensor& images, const at::Tensor& labels) { return forward(images, labels); },
      .optimizer = optimizer_, .accumulate = options_.accumulate, .clip_norm = options_.clip_norm,
      .changed = std::move(changed), .frozen = std::move(frozen),
  });
  return device_step_.get();
}

void Session::complete(StepResult& result) {
  const DeviceReport report = device_step_->read();
  check_reported(report);
  result.losses = losses_of(report.values.data(), weights());
  if (options_.clip_norm) result.gradient_norm = report.gradient_norm;
}

void Session::settle() {
  // A source may fail before the first step after a resume.
  if (!device_step_->has_steps()) return;
  const DeviceReport report = device_step_->read();
  state_.replayed = device_step_->replays();
  state_.why_not_replayed = device_step_->why_not_replayed();
  if (report.bad_step) state_.step -= steps_ - *report.bad_step;
  state_.images = report.images;
  state_.correct = report.all_correct;
  const double images = static_cast<double>(report.images);
  const auto weights = this->weights();
  state_.sums = losses_of(report.sums.data(), weights);
  for (size_t k = 0; k < weights.size(); ++k) state_.sums.terms[k].weight = weights[k] * images;
  state_.sums.distillation_weight = overall_weight(weights) * images;
  // Comes last: a checkpoint that is saved after the error holds the finite steps, and their sums.
  check_reported(report);
}

void Session::check_reported(const DeviceReport& report) {
  if (!report.bad_step) return;
  // What came behind that step has changed nothing that is trained.
  steps_ = *report.bad_step;
  device_step_->begin_sums(report.images, report.all_correct, report.sums);
  check_finite(losses_of(report.bad_values.data(), weights()), steps_);
  check_norm(report.bad_norm, steps_);
  fail(ErrorCode::kInternal, "invalid report of step ", steps_, ": expected a non-finite value, received none.");
}

}  // namespace reviewkd
