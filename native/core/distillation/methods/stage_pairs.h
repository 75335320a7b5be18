#pragma once
// Methods that compare single stages, Σ D(M^{i,j}(F_s^i), F_t^j): equations 2 to 5 and figure 2 (a), (b) of Chen,
// Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021). They differ only in the pairs (i, j).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include "core/distillation/methods/feature_method.h"

namespace reviewkd {

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

/// One (i, j) for any i and j. Throws INVALID_ARGUMENT where there is no such stage; so does `review_stage_pairs`.
std::vector<StagePair> single_layer_pairs(const Matching& matching, const StagePairOptions& options);
/// (i, i) for each i.
std::vector<StagePair> multi_layer_pairs(const Matching& matching, const StagePairOptions& options);
/// (a): (i, j) for one i and each j ≤ i.
std::vector<StagePair> review_stage_pairs(const Matching& matching, const StagePairOptions& options);
/// (b): (i, j) for each i and each j ≤ i.
std::vector<StagePair> review_pairs(const Matching& matching, const StagePairOptions& options);

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

}  // namespace reviewkd
