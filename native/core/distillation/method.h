#pragma once
// The interface of a distillation method: a module with its own parameters that computes a loss from the outputs of
// both networks.

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/distillation/distance.h"
#include "core/distillation/matching.h"
#include "core/models/backbone.h"

namespace reviewkd {

/// The side of a stage's last activation from which a map is taken.
enum class FeatureTap { kBefore, kAfter };

/// How a student stage is merged with the fused deeper ones: by attention, or by addition.
enum class Fusion { kAbf, kSum };

/// The options of all methods; each method reads those of its kind. lib/config defines them, with ranges and
/// defaults.
struct MethodOptions {
  std::string kind = "review";
  /// The name of these options in messages: "method", or "method.of[1]" for a term of a sum.
  std::string path = "method";

  /// λ(epoch) = weight · min(1, (epoch + warmup_from) / warmup_epochs), epochs from 0; no warm-up if warmup_epochs is
  /// 0.
  double weight = 1.0;
  double warmup_epochs = 0.0;
  double warmup_from = 0.0;

  // Methods on feature maps.
  FeatureTap teacher_features = FeatureTap::kBefore;
  FeatureTap student_features = FeatureTap::kAfter;
  Distance distance = Distance::kHcl;
  /// A factor per matched stage, shallow to deep; empty: all 1.
  std::vector<double> stage_weights;

  // review-fused and review.
  Fusion fusion = Fusion::kAbf;
  /// Channels inside the fusion modules; defaults to min(512, channels of the student's deepest stage).
  std::optional<int64_t> mid_channels;

  // single-layer and review-stage: stage numbers; the student's defaults to the deepest, the teacher's to the
  // student's.
  std::optional<int64_t> stage;
  std::optional<int64_t> teacher_stage;

  // kd and dkd.
  double temperature = 4.0;
  double alpha = 1.0;
  double beta = 8.0;

  /// The terms of a sum.
  std::vector<MethodOptions> of;
};

/// Properties of a batch that are known before a network runs.
struct BatchSpec {
  int64_t images;
  int64_t classes;
  bool has_labels;
  /// Every stage of the networks at the size of the images.
  std::vector<FeatureSpec> student;
  std::vector<FeatureSpec> teacher;
};

struct MethodInput {
  /// Stages are ordered from shallow to deep. The teacher's tensors have no gradient.
  const BackboneOutput& student;
  const BackboneOutput& teacher;
  /// Class of each image, [N], int64; undefined if there are none.
  at::Tensor labels;
};

struct MethodOutput {
  /// The value to minimize, including stage weights; a float64 scalar.
  at::Tensor loss;
  /// Unweighted distance per teacher stage, for `MethodImpl::stages`; scalars.
  std::vector<at::Tensor> per_stage;
  /// The maps compared by the loss, student's and teacher's; pair by pair, shallow to deep.
  std::vector<at::Tensor> student_maps;
  std::vector<at::Tensor> teacher_maps;
};

class MethodImpl : public torch::nn::Module {
 public:
  /// Throws if the method cannot process such a batch. Called before any network has run, so that nothing has
  /// changed.
  virtual void check(const BatchSpec&) const {}

  virtual MethodOutput forward(const MethodInput& input) = 0;

  /// Draws every parameter from the published distributions.
  virtual void initialize(at::Generator) {}

  /// Numbers of the teacher's stages used, shallow to deep; empty for methods on logits alone.
  const std::vector<int64_t>& stages() const { return stages_; }

 protected:
  std::vector<int64_t> stages_;
};

using Method = std::shared_ptr<MethodImpl>;

}  // namespace reviewkd
