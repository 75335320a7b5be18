#include "core/training/state/forward_result.h"

#include <ATen/ATen.h>

namespace reviewkd {

std::vector<at::Tensor> ForwardResult::scalars() const {
  std::vector<at::Tensor> scalars = task_losses;
  for (const auto& term : terms) {
    scalars.push_back(term.loss);
    scalars.insert(scalars.end(), term.per_stage.begin(), term.per_stage.end());
  }
  return scalars;
}

at::Tensor ForwardResult::loss_vector() const {
  std::vector<at::Tensor> scalars = this->scalars();
  for (auto& scalar : scalars) scalar = scalar.detach().to(at::kDouble);
  return at::stack(scalars);
}

}  // namespace reviewkd
