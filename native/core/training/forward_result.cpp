#include "core/training/pass.h"

#include <ATen/ATen.h>

namespace reviewkd {

std::vector<at::Tensor> Pass::scalars() const {
  std::vector<at::Tensor> scalars = {cross_entropy};
  for (const auto& term : terms) {
    scalars.push_back(term.loss);
    scalars.insert(scalars.end(), term.per_stage.begin(), term.per_stage.end());
  }
  return scalars;
}

at::Tensor Pass::values() const {
  std::vector<at::Tensor> scalars = this->scalars();
  for (auto& scalar : scalars) scalar = scalar.detach().to(at::kDouble);
  return at::stack(scalars);
}

}  // namespace reviewkd
