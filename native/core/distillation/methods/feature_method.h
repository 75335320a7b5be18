#pragma once
// Common parts of methods on feature maps: selecting maps, comparing them, and weighting stages.

#include "core/distillation/method.h"

namespace reviewkd {

class FeatureMethodImpl : public MethodImpl {
 protected:
  /// Throws INVALID_ARGUMENT if stage weights are given, but not one per matched stage.
  FeatureMethodImpl(std::shared_ptr<const Matching> matching, const MethodOptions& options);

  /// F_s^i and F_t^j, [N, C, H, W], of the matched stages with these numbers.
  const at::Tensor& student_map(const MethodInput& input, int64_t i) const;
  const at::Tensor& teacher_map(const MethodInput& input, int64_t j) const;

  at::Tensor distance(const at::Tensor& output, const at::Tensor& target) const {
    return distance_between(output, target, options_.distance);
  }

  /// Σ_j w_j · per_stage_j over the stages used.
  at::Tensor weighted_sum(const std::vector<at::Tensor>& per_stage) const;

  const Matching& matching() const { return *matching_; }
  const MethodOptions& options() const { return options_; }

 private:
  std::shared_ptr<const Matching> matching_;
  MethodOptions options_;
};

}  // namespace reviewkd
