#pragma once
// What a distillation method is to the distiller: a module with parameters of its own that turns what both networks gave
// into a loss.

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/distillation/matching.h"
#include "core/models/backbone.h"

namespace reviewkd {

/// A method's share of the loss.
struct LossShare {
  /// Weight λ, reached after the warm-up.
  double weight = 1.0;
  /// λ(epoch) = weight · min(1, (epoch + warmup_from) / warmup_epochs), epochs from 0; 0: the whole weight from the start.
  double warmup_epochs = 0.0;
  double warmup_from = 0.0;

  static LossShare from(const Options& options);

  /// λ in `epoch`, counted from 0.
  double weight_at(int64_t epoch) const;
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
  /// The maps that were held against the teacher's, and these; pair by pair, shallow to deep.
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
