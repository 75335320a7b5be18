#pragma once
// Review with a separate stack of fusions per teacher stage, equation 7 and figure 2 (c) of Chen, Liu, Zhao, Jia:
// "Distilling Knowledge via Knowledge Review" (CVPR 2021).
//
// (d) is (c) with the fusions shared among the stacks: if each stack has (d)'s parameters, both give the same result.

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include "core/distillation/methods/review.h"

namespace reviewkd {

class ReviewFusedImpl : public FeatureMethodImpl {
 public:
  ReviewFusedImpl(std::shared_ptr<const Matching> matching, const ReviewOptions& options);

  void check(const BatchSpec& batch) const override;
  MethodOutput forward(const MethodInput& input) override;
  void initialize(at::Generator generator) override;

 private:
  /// U_j(F_s^j, …, F_s^n): [N, Ct, Ht, Wt] of the teacher's stage j.
  at::Tensor fuse(const MethodInput& input, int64_t j);

  torch::nn::ModuleList stacks;  // U_n first; each is a list of fusions, that of stage n first
};
TORCH_MODULE(ReviewFused);

}  // namespace reviewkd
