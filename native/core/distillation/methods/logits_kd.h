#pragma once
// Methods on soft targets: the student's softened class distribution follows the teacher's.
//
// kd:  Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network" (2015), section 2.
// dkd: Zhao, Cui, Song, Qiu, Liang: "Decoupled Knowledge Distillation" (CVPR 2022), equation 7.

#include <torch/nn/pimpl.h>

#include "core/distillation/method.h"

namespace reviewkd {

struct KdOptions {
  /// T, by which logits are divided.
  double temperature = 4.0;

  static KdOptions from(const Options& options);
};

/// T² · KL(softmax(Y_t / T) ‖ softmax(Y_s / T)), summed over classes, mean over images.
class KdImpl : public MethodImpl {
 public:
  explicit KdImpl(const KdOptions& options) : options_(options) {}
  MethodOutput forward(const MethodInput& input) override;

 private:
  KdOptions options_;
};
TORCH_MODULE(Kd);

struct DkdOptions {
  /// T, by which logits are divided.
  double temperature = 4.0;
  /// Weights of TCKD and NCKD.
  double alpha = 1.0;
  double beta = 8.0;

  static DkdOptions from(const Options& options);
};

/// T² · (α · TCKD + β · NCKD), mean over images. TCKD: divergence of the distributions over the two classes "label" and
/// "rest". NCKD: divergence of the distributions over the classes that are not the label.
class DkdImpl : public MethodImpl {
 public:
  explicit DkdImpl(const DkdOptions& options) : options_(options) {}

  /// Throws INVALID_ARGUMENT without labels, or if the label's class is the only one.
  void check(const BatchSpec& batch) const override;
  MethodOutput forward(const MethodInput& input) override;

 private:
  DkdOptions options_;
};
TORCH_MODULE(Dkd);

}  // namespace reviewkd
