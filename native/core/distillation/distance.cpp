#include "core/distillation/distance.h"

#include "core/base/numeric.h"
#include "core/distillation/hcl.h"

namespace reviewkd {

Distance distance_from(const Options& options) {
  Distance distance = Distance::kHcl;
  options.read("distance", distance, {{"hcl", Distance::kHcl}, {"l2", Distance::kL2}});
  return distance;
}

at::Tensor distance_between(const at::Tensor& student, const at::Tensor& teacher, Distance distance) {
  if (distance == Distance::kHcl) return hierarchical_context_loss(student, teacher);
  TORCH_INTERNAL_ASSERT(student.sizes() == teacher.sizes(), "mse_loss would broadcast");
  return at::mse_loss(at_least_float32(student), at_least_float32(teacher));
}

}  // namespace reviewkd
