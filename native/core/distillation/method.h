#pragma once
// The interface of a distillation method: a module with its own parameters that computes a loss from the outputs of
// both networks.

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
  /// λ(epoch) = weight · min(1, (epoch + warmup_from) / warmup_epochs), epochs from 0; 0: the whole weight from the
  /// start.
  double warmup_epochs = 0.0;
  double warmup_from = 0.0;

  static LossShare from(const Options& options);

  /// λ in `epoch`, counted from 0.
  double weight_at(int64_t epoch) const;
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
  /// Stages are ordered from shallow to deep. The teacher's tensors have no gradient. Logits: [N, classes], a row for
  /// each image, or for each region of two detectors.
  const BackboneOutput& student;
  const BackboneOutput& teacher;
  /// Class of each row, [N], int64; undefined if there are none.
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
  bool is_on_logits() const { return stages_.empty(); }

 protected:
  std::vector<int64_t> stages_;
};

using Method = std::shared_ptr<MethodImpl>;

}  // namespace reviewkd
