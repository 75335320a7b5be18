#include "core/training/pass.h"

#include <ATen/ATen.h>

namespace reviewkd {

at::Tensor Pass::values() const {
  std::vector<at::Tensor> scalars = {cross_entropy};
  for (const auto& term : terms) {
    scalars.push_back(term.loss);
    scalars.insert(scalars.end(), term.per_stage.begin(), term.per_stage.end());
  }
  for (auto& scalar : scalars) scalar = scalar.detach().to(at::kDouble);
  return at::stack(scalars);
}

}  // namespace reviewkd
