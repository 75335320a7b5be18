// Methods that compare single stages, Σ D(M^{i,j}(F_s^i), F_t^j): equations 2 to 5 and figure 2 (a), (b) of Chen,
// Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021). They differ only in the pairs (i, j).

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <algorithm>
#include <set>

#include "core/distillation/methods/feature_method.h"
#include "core/distillation/methods/maps.h"
#include "core/distillation/methods/registry.h"
#include "core/models/init.h"
#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

/// Student stage i learns from teacher stage j; both are numbers of matched stages.
struct StagePair {
  int64_t i;
  int64_t j;
};

/// Options of methods on pairs of stages.
struct StagePairOptions {
  FeatureOptions features;
  /// Numbers of matched stages; default: the deepest and, for the teacher's, the student's.
  std::optional<int64_t> stage;
  std::optional<int64_t> teacher_stage;

  static StagePairOptions from(const Options& options);
};

class StagePairsImpl : public FeatureMethodImpl {
 public:
  StagePairsImpl(std::shared_ptr<const Matching> matching, const StagePairOptions& options,
                 std::vector<StagePair> pairs);

  MethodOutput forward(const MethodInput& input) override;

  /// Convolutions from kaiming_uniform(a = 1), biases 0.
  void initialize(at::Generator generator) override;

 private:
  std::vector<StagePair> pairs_;
  torch::nn::ModuleList transforms;  // M, one per pair
};
TORCH_MODULE(StagePairs);

StagePairOptions StagePairOptions::from(const Options& options) {
  StagePairOptions pairs{
      .features = FeatureOptions::from(options), .stage = std::nullopt, .teacher_stage = std::nullopt};
  options.read("stage", pairs.stage);
  options.read("teacherStage", pairs.teacher_stage);
  return pairs;
}

/// One (i, j) for any i and j. Throws INVALID_ARGUMENT where there is no such stage; so does `review_stage_pairs`.
std::vector<StagePair> single_layer_pairs(const Matching& matching, const StagePairOptions& options) {
  const int64_t i = matching.checked(options.stage.value_or(matching.size()), options.features.path + ".stage");
  const int64_t j = matching.checked(options.teacher_stage.value_or(i), options.features.path + ".teacherStage");
  return {{i, j}};
}

/// (i, i) for each i.
std::vector<StagePair> multi_layer_pairs(const Matching& matching, const StagePairOptions&) {
  std::vector<StagePair> pairs;
  for (int64_t i = 1; i <= matching.size(); ++i) pairs.push_back({i, i});
  return pairs;
}

/// (a): (i, j) for one i and each j ≤ i.
std::vector<StagePair> review_stage_pairs(const Matching& matching, const StagePairOptions& options) {
  const int64_t i = matching.checked(options.stage.value_or(matching.size()), options.features.path + ".stage");
  std::vector<StagePair> pairs;
  for (int64_t j = 1; j <= i; ++j) pairs.push_back({i, j});
  return pairs;
}

/// (b): (i, j) for each i and each j ≤ i.
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

template <typename PairsOf>
Method build_pairs(const std::shared_ptr<const Matching>& matching, const Options& options, PairsOf pairs_of) {
  const StagePairOptions pairs = StagePairOptions::from(options);
  return StagePairs(matching, pairs, pairs_of(*matching, pairs)).ptr();
}

}  // namespace

Method build_single_layer(const std::shared_ptr<const Matching>& matching, const Options& options) {
  return build_pairs(matching, options, single_layer_pairs);
}

Method build_multi_layer(const std::shared_ptr<const Matching>& matching, const Options& options) {
  return build_pairs(matching, options, multi_layer_pairs);
}

Method build_review_stage(const std::shared_ptr<const Matching>& matching, const Options& options) {
  return build_pairs(matching, options, review_stage_pairs);
}

Method build_review_pairs(const std::shared_ptr<const Matching>& matching, const Options& options) {
  return build_pairs(matching, options, review_pairs);
}

}  // namespace reviewkd
