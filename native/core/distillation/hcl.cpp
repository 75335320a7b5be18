#include "core/distillation/hcl.h"

#include "core/error.h"
#include "core/numeric.h"

namespace reviewkd {

at::Tensor hierarchical_context_loss(const at::Tensor& student_map, const at::Tensor& teacher_map) {
  const at::Tensor student = at_least_float32(student_map);
  const at::Tensor teacher = at_least_float32(teacher_map);
  if (student.dim() != 4 || student.sizes() != teacher.sizes()) {
    fail(ErrorCode::kShapeMismatch, "expected two maps of one shape [N, C, H, W] for the hierarchical context loss, got ",
         student.sizes(), " and ", teacher.sizes());
  }
  if (student.numel() == 0) {
    fail(ErrorCode::kShapeMismatch, "expected maps with elements for the hierarchical context loss, got ", student.sizes());
  }
  at::Tensor loss = at::mse_loss(student, teacher);
  double weight = 1.0;
  double weights = 1.0;
  for (const int64_t level : {4, 2, 1}) {
    if (level >= student.size(2)) continue;
    weight /= 2;
    weights += weight;
    loss = loss + weight * at::mse_loss(at::adaptive_avg_pool2d(student, {level, level}),  // [N, C, l, l]
                                        at::adaptive_avg_pool2d(teacher, {level, level}));
  }
  return loss / weights;
}

}  // namespace reviewkd
