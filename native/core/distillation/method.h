#pragma once
// What a distillation method is to the distiller: a module with parameters of its own that turns the feature maps
// of both networks into losses.

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>

#include <optional>
#include <string>
#include <vector>

#include "core/models/backbone.h"

namespace reviewkd {

/// Which side of a stage's last activation a map is taken from.
enum class FeatureTap { kBefore, kAfter };

struct MethodOptions {
  std::string kind = "review";
  FeatureTap teacher_features = FeatureTap::kBefore;
  FeatureTap student_features = FeatureTap::kAfter;
  /// Channels inside the fusion modules; by default min(512, channels of the student's deepest stage).
  std::optional<int64_t> mid_channels;
};

struct MethodOutput {
  /// What was held against each teacher map, shallow to deep.
  std::vector<at::Tensor> outputs;
  /// The teacher maps that they were held against, shallow to deep.
  std::vector<at::Tensor> targets;
  /// Unweighted loss by stage, shallow to deep; scalars.
  std::vector<at::Tensor> per_stage;
};

class MethodImpl : public torch::nn::Module {
 public:
  /// Stages of both outputs run from shallow to deep. The teacher's tensors carry no gradient.
  virtual MethodOutput forward(const BackboneOutput& student, const BackboneOutput& teacher) = 0;

  /// Draws every parameter from the published distributions.
  virtual void initialize(at::Generator generator) = 0;
};

using Method = std::shared_ptr<MethodImpl>;

/// The map of `feature` on the asked side of its activation.
inline const at::Tensor& tapped(const StageFeature& feature, FeatureTap tap) {
  return tap == FeatureTap::kBefore ? feature.before : feature.after;
}

}  // namespace reviewkd
