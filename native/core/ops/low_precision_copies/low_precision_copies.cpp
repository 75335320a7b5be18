#include "core/ops/low_precision_copies/low_precision_copies.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace reviewkd::ops {
namespace {

thread_local LowPrecisionCopies* current = nullptr;

}  // namespace

LowPrecisionCopies::LowPrecisionCopies(const std::vector<at::Tensor>& parameters) {
  for (const auto& parameter : parameters) {
    auto copy = std::make_unique<Copy>();
    copy->parameter = parameter;
    by_parameter_.emplace(parameter.unsafeGetTensorImpl(), copy.get());
    copies_.push_back(std::move(copy));
  }
}

LowPrecisionCopies::Copy* LowPrecisionCopies::find(const at::Tensor& parameter) {
  const auto found = by_parameter_.find(parameter.unsafeGetTensorImpl());
  return found == by_parameter_.end() ? nullptr : found->second;
}

void LowPrecisionCopies::refresh() {
  const at::NoGradGuard no_grad;
  for (const auto& copy : copies_) {
    if (copy->values.defined() && copy->version == copy->parameter._version()) continue;
    if (!copy->values.defined())
      copy->values = at::empty_like(copy->parameter, copy->parameter.options().dtype(at::kBFloat16));
    copy->values.copy_(copy->parameter);
    copy->version = copy->parameter._version();
  }
}

void LowPrecisionCopies::mark_current() {
  for (const auto& copy : copies_) copy->version = copy->parameter._version();
}

void LowPrecisionCopies::clear_gradients() {
  for (const auto& copy : copies_) copy->gradient = at::Tensor();
}

LowPrecisionScope::LowPrecisionScope(LowPrecisionCopies* copies) : outer_(current) {
  if (copies != nullptr) current = copies;
}

LowPrecisionScope::~LowPrecisionScope() { current = outer_; }

LowPrecisionCopies::Copy* low_precision_copy(const at::Tensor& parameter, at::ScalarType type) {
  return current == nullptr || type != at::kBFloat16 ? nullptr : current->find(parameter);
}

void add_gradient(LowPrecisionCopies::Copy& copy, const at::Tensor& gradient) {
  // Gradients of several micro-batches are summed in float32.
  copy.gradient = copy.gradient.defined() ? copy.gradient.to(at::kFloat).add_(gradient) : gradient;
}

}  // namespace reviewkd::ops
