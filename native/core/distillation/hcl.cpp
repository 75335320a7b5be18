#include "core/distillation/hcl.h"

#include "core/base/error.h"
#include "core/ops/pyramid_loss/pyramid_loss.h"

namespace reviewkd {

at::Tensor hierarchical_context_loss(const at::Tensor& student, const at::Tensor& teacher) {
  if (student.dim() != 4 || student.sizes() != teacher.sizes()) {
    fail(ErrorCode::kShapeMismatch,
         "invalid maps for the hierarchical context loss: expected two with equal shape [N, C, H, W], received ",
         student.sizes(), " and ", teacher.sizes(), ".");
  }
  if (student.numel() == 0) {
    fail(ErrorCode::kShapeMismatch, "invalid maps for the hierarchical context loss: expected nonempty ones, received ",
         student.sizes(), ".");
  }
  std::vector<ops::PyramidLevel> levels;
  double weight = 1.0;
  double weights = 1.0;
  for (const int64_t cells : {4, 2, 1}) {
    if (cells >= student.size(2)) continue;
    weight /= 2;
    weights += weight;
    levels.push_back({cells, weight});
  }
  for (auto& level : levels) level.weight /= weights;
  return ops::pyramid_loss(student, teacher, 1.0 / weights, levels);
}

}  // namespace reviewkd
