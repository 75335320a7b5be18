// Review with a separate stack of fusions per teacher stage, equation 7 and figure 2 (c) of Chen, Liu, Zhao, Jia:
// "Distilling Knowledge via Knowledge Review" (CVPR 2021).
//
// (d) is (c) with the fusions shared among the stacks: if each stack has (d)'s parameters, both give the same result.

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include "core/distillation/methods/maps.h"
#include "core/distillation/methods/registry.h"
#include "core/distillation/methods/review.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

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

ReviewFusedImpl::ReviewFusedImpl(std::shared_ptr<const Matching> shared, const ReviewOptions& options)
    : FeatureMethodImpl(std::move(shared), options.features) {
  const int64_t n = matching().size();
  for (int64_t j = n; j >= 1; --j) {
    nn::ModuleList stack;
    for (int64_t i = n; i >= j; --i) stack->push_back(Abf(fusion_of(matching(), options, i, /*with_output=*/i == j)));
    stacks->push_back(stack);
  }
  for (int64_t j = 1; j <= n; ++j) stages_.push_back(j);
  register_module("stacks", stacks);
}

at::Tensor ReviewFusedImpl::fuse(const MethodInput& input, int64_t j) {
  const int64_t n = matching().size();
  Fused fused;
  int64_t i = n;
  for (const auto& abf : *stacks[static_cast<size_t>(n - j)]->as<nn::ModuleListImpl>()) {
    // Each passes on its map in the size of the teacher's stage, as in (d).
    fused = abf->as<AbfImpl>()->forward(student_map(input, i), fused.residual, size_of(teacher_map(input, i)));
    --i;
  }
  return fused.output;
}

MethodOutput ReviewFusedImpl::forward(const MethodInput& input) {
  MethodOutput result;
  for (const int64_t j : stages()) {
    const at::Tensor& teacher = teacher_map(input, j);  // [N, Ct, Ht, Wt]
    const at::Tensor output = fuse(input, j);           // [N, Ct, Ht, Wt]
    result.student_maps.push_back(output);
    result.teacher_maps.push_back(teacher);
    result.per_stage.push_back(distance(output, teacher));
  }
  result.loss = weighted_sum(result.per_stage);
  return result;
}

void ReviewFusedImpl::check(const BatchSpec& batch) const { check_fusions(matching(), batch); }

void ReviewFusedImpl::initialize(at::Generator generator) {
  for (const auto& stack : *stacks) {
    for (const auto& abf : *stack->as<nn::ModuleListImpl>()) abf->as<AbfImpl>()->initialize(generator);
  }
}

}  // namespace

Method build_review_fused(const std::shared_ptr<const Matching>& matching, const Options& options) {
  return ReviewFused(matching, ReviewOptions::from(options)).ptr();
}

}  // namespace reviewkd
