#include "core/models/freezable_batch_norm.h"

#include <torch/csrc/autograd/grad_mode.h>

namespace reviewkd {

void FreezableBatchNorm2dImpl::freeze(double epsilon) {
  options.eps(epsilon);
  if (frozen_) return;
  frozen_ = true;
  train(false);
  parameters_.erase("weight");
  parameters_.erase("bias");
  weight = register_buffer("weight", weight.detach());
  bias = register_buffer("bias", bias.detach());
}

void freeze_norms(torch::nn::Module& module, double epsilon) {
  for (const auto& child : module.modules()) {
    if (auto* norm = child->as<FreezableBatchNorm2dImpl>()) norm->freeze(epsilon);
  }
}

}  // namespace reviewkd
