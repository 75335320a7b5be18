#include "core/distillation/methods/feature_method.h"

#include "core/base/error.h"
#include "core/ops/scalar_sum/scalar_sum.h"

namespace reviewkd {
namespace {

const at::Tensor& tapped(const StageFeature& feature, FeatureTap tap) {
  return tap == FeatureTap::kBefore ? feature.before : feature.after;
}

}  // namespace

FeatureOptions FeatureOptions::from(const Options& options) {
  const std::map<std::string, FeatureTap> taps = {{"before", FeatureTap::kBefore}, {"after", FeatureTap::kAfter}};
  FeatureOptions features{.path = options.path(), .stage_weights = {}};
  options.read("teacherFeatures", features.teacher_features, taps);
  options.read("studentFeatures", features.student_features, taps);
  features.distance = distance_from(options);
  options.read("stageWeights", features.stage_weights);
  return features;
}

FeatureMethodImpl::FeatureMethodImpl(std::shared_ptr<const Matching> matching, const FeatureOptions& options)
    : matching_(std::move(matching)), options_(options) {
  const size_t weights = options.stage_weights.size();
  if (weights != 0 && weights != matching_->stages.size()) {
    fail(ErrorCode::kInvalidArgument, "invalid ", options.path, ".stageWeights: expected ", matching_->size(),
         " numbers, received ", weights, ". Give one per matched stage: ", matching_->listed(), ".");
  }
}

const at::Tensor& FeatureMethodImpl::student_map(const MethodInput& input, int64_t i) const {
  return tapped(input.student.features.at(matching_->stage(i).student.index), options_.student_features);
}

const at::Tensor& FeatureMethodImpl::teacher_map(const MethodInput& input, int64_t j) const {
  return tapped(input.teacher.features.at(matching_->stage(j).teacher.index), options_.teacher_features);
}

at::Tensor FeatureMethodImpl::weighted_sum(const std::vector<at::Tensor>& per_stage) const {
  TORCH_INTERNAL_ASSERT(per_stage.size() == stages().size());
  std::vector<double> weights;
  for (const int64_t stage : stages())
    weights.push_back(options_.stage_weights.empty() ? 1.0 : options_.stage_weights[static_cast<size_t>(stage - 1)]);
  return ops::scalar_sum(per_stage, weights);
}

}  // namespace reviewkd
