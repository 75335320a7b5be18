#pragma once
// Methods on soft targets: the student's softened class distribution follows the teacher's.
//
// kd:  Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network" (2015), section 2.
// dkd: Zhao, Cui, Song, Qiu, Liang: "Decoupled Knowledge Distillation" (CVPR 2022), equation 7.

#include <torch/nn/pimpl.h>

#include "core/distillation/method.h"

namespace reviewkd {

/// T² · KL(softmax(Y_t / T) ‖ softmax(Y_s / T)), summed over classes, mean over images.
class KdImpl : public MethodImpl {
 public:
  explicit KdImpl(const MethodOptions& options) : temperature_(options.temperature) {}
  MethodOutput forward(const MethodInput& input) override;

 private:
  double temperature_;
};
TORCH_MODULE(Kd);

/// T² · (α · TCKD + β · NCKD), mean over images. TCKD: divergence of the distributions over the two classes "label" and
/// "rest". NCKD: divergence of the distributions over the classes that are not the label.
class DkdImpl : public MethodImpl {
 public:
  explicit DkdImpl(const MethodOptions& options)
      : temperature_(options.temperature), alpha_(options.alpha), beta_(options.beta) {}

  /// Throws INVALID_ARGUMENT without labels, or if the label's class is the only one.
  void check(const BatchSpec& batch) const override;
  MethodOutput forward(const MethodInput& input) override;

 private:
  double temperature_;
  double alpha_;
  double beta_;
};
TORCH_MODULE(Dkd);

}  // namespace reviewkd
