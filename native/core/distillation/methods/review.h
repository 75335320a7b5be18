#pragma once
// The review loss in its residual framework, equation 8 and figure 2 (d) of
// Chen, Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include "core/distillation/methods/abf.h"
#include "core/distillation/methods/feature_method.h"

namespace reviewkd {

/// Options of (c) and (d).
struct ReviewOptions {
  FeatureOptions features;
  Fusion fusion = Fusion::kAbf;
  /// Channels inside the fusion modules; default: min(512, channels of the student's deepest stage).
  std::optional<int64_t> mid_channels;

  static ReviewOptions from(const Options& options);
};

class ReviewImpl : public FeatureMethodImpl {
 public:
  ReviewImpl(std::shared_ptr<const Matching> matching, const ReviewOptions& options);

  void check(const BatchSpec& batch) const override;
  MethodOutput forward(const MethodInput& input) override;
  void initialize(at::Generator generator) override;

 private:
  torch::nn::ModuleList abfs;  // the deepest stage's first, as published
};
TORCH_MODULE(Review);

/// The fusion of student stage j, as (c) and (d) have it; with the output convolution for the teacher's stage j or
/// without.
AbfOptions fusion_of(const Matching& matching, const ReviewOptions& options, int64_t j, bool with_output);

/// Throws BATCH_TOO_SMALL if a fusion of (c) or (d) would normalize over a single value; not in an
/// ops::StatisticsScope, as the images of other processes are unknown here.
void check_fusions(const Matching& matching, const BatchSpec& batch);

}  // namespace reviewkd
