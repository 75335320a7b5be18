#pragma once
// The review loss in its residual framework, equation (d) and figure 2 (d) of
// Chen, Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/distillation/method.h"

namespace reviewkd {

class ReviewImpl : public MethodImpl {
 public:
  /// Channels of both networks' stages, shallow to deep. Where one network has more stages, the deepest common
  /// number of both is matched.
  ReviewImpl(const std::vector<int64_t>& student_channels, const std::vector<int64_t>& teacher_channels,
             const MethodOptions& options);

  MethodOutput forward(const BackboneOutput& student, const BackboneOutput& teacher) override;
  void initialize(at::Generator generator) override;

  /// Stages that are matched, counted from the deepest.
  int64_t stages() const { return static_cast<int64_t>(abfs->size()); }

 private:
  MethodOptions options_;
  torch::nn::ModuleList abfs;  // the deepest first, as published
};
TORCH_MODULE(Review);

}  // namespace reviewkd
