#pragma once
// Common parts of methods on feature maps: selecting maps, comparing them, and weighting stages.

#include "core/distillation/distance.h"
#include "core/distillation/method.h"

namespace reviewkd {

/// Which side of a stage's last activation a map is taken from.
enum class FeatureTap { kBefore, kAfter };

struct FeatureOptions {
  /// Prefix of the options' names in messages.
  std::string path = "method";
  FeatureTap teacher_features = FeatureTap::kBefore;
  FeatureTap student_features = FeatureTap::kAfter;
  Distance distance = Distance::kHcl;
  /// A factor for each matched stage, shallow to deep; empty: all 1.
  std::vector<double> stage_weights;

  static FeatureOptions from(const Options& options);
};

class FeatureMethodImpl : public MethodImpl {
 protected:
  /// Throws INVALID_ARGUMENT where there are stage weights, but not one for each matched stage.
  FeatureMethodImpl(std::shared_ptr<const Matching> matching, const FeatureOptions& options);

  /// F_s^i and F_t^j, [N, C, H, W], of the matched stages with these numbers.
  const at::Tensor& student_map(const MethodInput& input, int64_t i) const;
  const at::Tensor& teacher_map(const MethodInput& input, int64_t j) const;

  at::Tensor distance(const at::Tensor& output, const at::Tensor& target) const {
    return distance_between(output, target, options_.distance);
  }

  /// Σ_j w_j · per_stage_j over the stages used.
  at::Tensor weighted_sum(const std::vector<at::Tensor>& per_stage) const;

  const Matching& matching() const { return *matching_; }

 private:
  std::shared_ptr<const Matching> matching_;
  FeatureOptions options_;
};

}  // namespace reviewkd
