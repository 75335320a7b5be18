#pragma once
// What a distillation method is to the distiller: a module with parameters of its own that turns what both networks gave
// into a loss.

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

/// Which side of a stage's last activation a map is taken from.
enum class FeatureTap { kBefore, kAfter };

/// How a student stage is merged with what was fused from the deeper ones: by attention, or plainly added.
enum class Fusion { kAbf, kSum };

/// All that any method can be told; each reads what its kind has. lib/schemas/method.ts says which that is, checks ranges
/// and gives the defaults.
struct MethodOptions {
  std::string kind = "review";
  /// What messages call these options: "method", or "method.of[1]" for a term of a sum.
  std::string path = "method";

  /// λ(epoch) = weight · min(1, (epoch + warmup_from) / warmup_epochs), epochs from 0; no warm-up where warmup_epochs is 0.
  double weight = 1.0;
  double warmup_epochs = 0.0;
  double warmup_from = 0.0;

  // Methods on feature maps.
  FeatureTap teacher_features = FeatureTap::kBefore;
  FeatureTap student_features = FeatureTap::kAfter;
  Distance distance = Distance::kHcl;
  /// A factor for each matched stage, shallow to deep; empty: all 1.
  std::vector<double> stage_weights;

  // review-fused and review.
  Fusion fusion = Fusion::kAbf;
  /// Channels inside the fusion modules; by default min(512, channels of the student's deepest stage).
  std::optional<int64_t> mid_channels;

  // single-layer and review-stage: numbers of stages, by default the deepest and, for the teacher's, the student's.
  std::optional<int64_t> stage;
  std::optional<int64_t> teacher_stage;

  // kd and dkd.
  double temperature = 4.0;
  double alpha = 1.0;
  double beta = 8.0;

  /// The terms of a sum.
  std::vector<MethodOptions> of;
};

/// What is known of a batch before a network has run.
struct BatchSpec {
  int64_t images;
  int64_t classes;
  bool has_labels;
  /// Every stage of the networks at the size of the images.
  std::vector<FeatureSpec> student;
  std::vector<FeatureSpec> teacher;
};

struct MethodInput {
  /// Stages run from shallow to deep. The teacher's tensors carry no gradient.
  const BackboneOutput& student;
  const BackboneOutput& teacher;
  /// Class of each image, [N], int64; undefined where there are none.
  at::Tensor labels;
};

struct MethodOutput {
  /// To be minimized, stage weights included; a float64 scalar.
  at::Tensor loss;
  /// Distance by stage of the teacher, without weights, for `MethodImpl::stages`; scalars.
  std::vector<at::Tensor> per_stage;
  /// The student's maps that were compared with the teacher's, and these; pair by pair, shallow to deep.
  std::vector<at::Tensor> student_maps;
  std::vector<at::Tensor> teacher_maps;
};

class MethodImpl : public torch::nn::Module {
 public:
  /// Throws where the method cannot work on such a batch. Comes before any network has run, so that nothing has changed.
  virtual void check(const BatchSpec&) const {}

  virtual MethodOutput forward(const MethodInput& input) = 0;

  /// Draws every parameter from the published distributions.
  virtual void initialize(at::Generator) {}

  /// Numbers of the teacher's stages that take part, shallow to deep; none where a method looks at logits alone.
  const std::vector<int64_t>& stages() const { return stages_; }

 protected:
  std::vector<int64_t> stages_;
};

using Method = std::shared_ptr<MethodImpl>;

}  // namespace reviewkd
