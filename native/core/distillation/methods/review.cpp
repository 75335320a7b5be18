#include "core/distillation/methods/review.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/distillation/methods/maps.h"
#include "core/distillation/methods/registry.h"
#include "core/ops/conv_norm/synced/statistics_exchange.h"

namespace reviewkd {

ReviewOptions ReviewOptions::from(const Options& options) {
  ReviewOptions review{.features = FeatureOptions::from(options), .mid_channels = std::nullopt};
  options.read("fusion", review.fusion, {{"abf", Fusion::kAbf}, {"sum", Fusion::kSum}});
  options.read("midChannels", review.mid_channels);
  return review;
}

ReviewImpl::ReviewImpl(std::shared_ptr<const Matching> shared, const ReviewOptions& options)
    : FeatureMethodImpl(std::move(shared), options.features) {
  const int64_t n = matching().size();
  for (int64_t j = n; j >= 1; --j) abfs->push_back(Abf(fusion_of(matching(), options, j, /*with_output=*/true)));
  for (int64_t j = 1; j <= n; ++j) stages_.push_back(j);
  register_module("abfs", abfs);
}

MethodOutput ReviewImpl::forward(const MethodInput& input) {
  MethodOutput result;
  at::Tensor residual;  // the deepest stage has no deeper one
  int64_t j = matching().size();
  for (const auto& abf : *abfs) {
    const at::Tensor& teacher = teacher_map(input, j);  // [N, Ct, Ht, Wt]
    const Fused fused =
        abf->as<AbfImpl>()->forward(student_map(input, j), residual, size_of(teacher));  // [N, Ct, Ht, Wt]
    residual = fused.residual;  // [N, mid, Ht, Wt]
    result.student_maps.push_back(fused.output);
    result.teacher_maps.push_back(teacher);
    result.per_stage.push_back(distance(fused.output, teacher));
    --j;
  }
  for (auto* list : {&result.student_maps, &result.teacher_maps, &result.per_stage})
    std::reverse(list->begin(), list->end());
  result.loss = weighted_sum(result.per_stage);
  return result;
}

void ReviewImpl::check(const BatchSpec& batch) const { check_fusions(matching(), batch); }

void ReviewImpl::initialize(at::Generator generator) {
  for (const auto& abf : *abfs) abf->as<AbfImpl>()->initialize(generator);
}

AbfOptions fusion_of(const Matching& matching, const ReviewOptions& options, int64_t j, bool with_output) {
  const MatchedStage& stage = matching.stage(j);
  const int64_t deepest = matching.size();
  return {
      .in_channels = stage.student.channels,
      .mid_channels = options.mid_channels.value_or(std::min<int64_t>(512, matching.stage(deepest).student.channels)),
      .out_channels = with_output ? std::optional(stage.teacher.channels) : std::nullopt,
      .has_residual = j < deepest,
      .fusion = options.fusion,
  };
}

void check_fusions(const Matching& matching, const BatchSpec& batch) {
  // The normalizations themselves count the values of all processes.
  if (batch.images > 1 || ops::statistics_exchange() != nullptr) return;
  for (const auto& stage : matching.stages) {
    for (const auto& map : {batch.student.at(stage.student.index), batch.teacher.at(stage.teacher.index)}) {
      if (map.height * map.width > 1) continue;
      fail(ErrorCode::kBatchTooSmall,
           "invalid batch: expected at least 2 images for training with a pooled stage, received 1. Batch "
           "normalization over a single value is undefined (stage ",
           map.name, " is 1×1); use a larger batch or drop a last batch of one image.");
    }
  }
}

Method build_review(const std::shared_ptr<const Matching>& matching, const Options& options) {
  return Review(matching, ReviewOptions::from(options)).ptr();
}

}  // namespace reviewkd
