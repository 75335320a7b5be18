#pragma once
// A batch normalization whose statistics and coefficients can be fixed, as detectors on small batches need it.
// torchvision's FrozenBatchNorm2d (ops/misc.py).

#include <torch/nn/modules/batchnorm.h>

namespace reviewkd {

class FreezableBatchNorm2dImpl : public torch::nn::BatchNorm2dImpl {
 public:
  explicit FreezableBatchNorm2dImpl(int64_t channels) : BatchNorm2dImpl(torch::nn::BatchNorm2dOptions(channels)) {}

  /// From now on weight and bias are buffers, running statistics are used in train mode as well, and the state dict has
  /// no batch counter.
  void freeze(double epsilon);
  bool is_frozen() const { return frozen_; }

  void train(bool on) override { BatchNorm2dImpl::train(on && !frozen_); }

 private:
  bool frozen_ = false;
};

/// Freezes every batch normalization of the module.
void freeze_norms(torch::nn::Module& module, double epsilon);

}  // namespace reviewkd
