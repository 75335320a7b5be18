#include "core/distillation/review.h"

#include <algorithm>

#include "core/distillation/abf.h"
#include "core/distillation/hcl.h"
#include "core/error.h"

namespace reviewkd {

ReviewImpl::ReviewImpl(const std::vector<int64_t>& student_channels, const std::vector<int64_t>& teacher_channels,
                       const MethodOptions& options)
    : options_(options) {
  const size_t stages = std::min(student_channels.size(), teacher_channels.size());
  if (stages == 0) fail(ErrorCode::kInvalidArgument, "expected at least one stage in both networks for review, got none");
  const int64_t mid_channels = options.mid_channels.value_or(std::min<int64_t>(512, student_channels.back()));
  for (size_t depth = 0; depth < stages; ++depth) {
    abfs->push_back(Abf(AbfOptions{
        .in_channels = student_channels[student_channels.size() - 1 - depth],
        .mid_channels = mid_channels,
        .out_channels = teacher_channels[teacher_channels.size() - 1 - depth],
        .has_residual = depth > 0,
    }));
  }
  register_module("abfs", abfs);
}

MethodOutput ReviewImpl::forward(const BackboneOutput& student, const BackboneOutput& teacher) {
  const size_t stages = abfs->size();
  if (student.features.size() < stages || teacher.features.size() < stages) {
    fail(ErrorCode::kShapeMismatch, "expected ", stages, " stages or more for review, got ", student.features.size(),
         " of the student and ", teacher.features.size(), " of the teacher");
  }
  MethodOutput result;
  result.outputs.resize(stages);
  result.targets.resize(stages);
  result.per_stage.resize(stages);
  at::Tensor residual;  // nothing lies deeper than the deepest stage
  for (size_t depth = 0; depth < stages; ++depth) {
    const at::Tensor& student_map = tapped(student.features[student.features.size() - 1 - depth], options_.student_features);
    const at::Tensor& teacher_map = tapped(teacher.features[teacher.features.size() - 1 - depth], options_.teacher_features);
    const Fused fused =
        abfs[depth]->as<AbfImpl>()->forward(student_map, residual, {teacher_map.size(2), teacher_map.size(3)});
    residual = fused.residual;
    const size_t stage = stages - 1 - depth;
    result.outputs[stage] = fused.output;
    result.targets[stage] = teacher_map;
    result.per_stage[stage] = hierarchical_context_loss(fused.output, teacher_map);
  }
  return result;
}

void ReviewImpl::initialize(at::Generator generator) {
  for (const auto& abf : *abfs) abf->as<AbfImpl>()->initialize(generator);
}

}  // namespace reviewkd
