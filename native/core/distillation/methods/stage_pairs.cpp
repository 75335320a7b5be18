#include "core/distillation/methods/stage_pairs.h"

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/modules/conv.h>

#include <algorithm>
#include <set>

#include "core/distillation/methods/maps.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;

StagePairOptions StagePairOptions::from(const Options& options) {
  StagePairOptions pairs{
      .features = FeatureOptions::from(options), .stage = std::nullopt, .teacher_stage = std::nullopt};
  options.read("stage", pairs.stage);
  options.read("teacherStage", pairs.teacher_stage);
  return pairs;
}

std::vector<StagePair> single_layer_pairs(const Matching& matching, const StagePairOptions& options) {
  const int64_t i = matching.checked(options.stage.value_or(matching.size()), options.features.path + ".stage");
  const int64_t j = matching.checked(options.teacher_stage.value_or(i), options.features.path + ".teacherStage");
  return {{i, j}};
}

std::vector<StagePair> multi_layer_pairs(const Matching& matching, const StagePairOptions&) {
  std::vector<StagePair> pairs;
  for (int64_t i = 1; i <= matching.size(); ++i) pairs.push_back({i, i});
  return pairs;
}

std::vector<StagePair> review_stage_pairs(const Matching& matching, const StagePairOptions& options) {
  const int64_t i = matching.checked(options.stage.value_or(matching.size()), options.features.path + ".stage");
  std::vector<StagePair> pairs;
  for (int64_t j = 1; j <= i; ++j) pairs.push_back({i, j});
  return pairs;
}

std::vector<StagePair> review_pairs(const Matching& matching, const StagePairOptions&) {
  std::vector<StagePair> pairs;
  for (int64_t i = 1; i <= matching.size(); ++i) {
    for (int64_t j = 1; j <= i; ++j) pairs.push_back({i, j});
  }
  return pairs;
}

StagePairsImpl::StagePairsImpl(std::shared_ptr<const Matching> shared, const StagePairOptions& options,
                               std::vector<StagePair> pairs)
    : FeatureMethodImpl(std::move(shared), options.features), pairs_(std::move(pairs)) {
  std::set<int64_t> teacher_stages;
  for (const auto [i, j] : pairs_) {
    transforms->push_back(
        conv2d(nn::Conv2dOptions(matching().stage(i).student.channels, matching().stage(j).teacher.channels, 1)));
    teacher_stages.insert(j);
  }
  stages_.assign(teacher_stages.begin(), teacher_stages.end());
  register_module("transforms", transforms);
}

MethodOutput StagePairsImpl::forward(const MethodInput& input) {
  MethodOutput result;
  result.per_stage.resize(stages().size());
  for (size_t k = 0; k < pairs_.size(); ++k) {
    const auto [i, j] = pairs_[k];
    const at::Tensor& teacher = teacher_map(input, j);  // [N, Ct, Ht, Wt]
    const at::Tensor transformed =
        transforms[k]->as<nn::Conv2dImpl>()->forward(student_map(input, i));  // [N, Ct, H, W]
    const at::Tensor output = resize_nearest(transformed, size_of(teacher));  // [N, Ct, Ht, Wt]
    result.student_maps.push_back(output);
    result.teacher_maps.push_back(teacher);
    const auto place = std::lower_bound(stages().begin(), stages().end(), j) - stages().begin();
    at::Tensor& sum = result.per_stage[static_cast<size_t>(place)];
    const at::Tensor term = distance(output, teacher);
    sum = sum.defined() ? sum + term : term;
  }
  result.loss = weighted_sum(result.per_stage);
  return result;
}

void StagePairsImpl::initialize(at::Generator generator) {
  torch::NoGradGuard no_grad;
  for (const auto& transform : *transforms) {
    auto* convolution = transform->as<nn::Conv2dImpl>();
    init::kaiming_uniform(convolution->weight, 1.0, generator);
    convolution->bias.zero_();
  }
}

}  // namespace reviewkd
