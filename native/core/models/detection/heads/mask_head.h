#pragma once
// Masks of regions: a small fully convolutional network, what it is trained on, and its loss.
// He et al., "Mask R-CNN" (ICCV 2017), section 3.

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include "core/base/options.h"
#include "core/models/detection/heads/initialization.h"

namespace reviewkd::detection {

/// torchvision averages the object's bitmap within each cell; detectron2 samples it, aligned, and rounds to 0 or 1.
enum class MaskTargetRule { kSoft, kBinary };

struct MaskOptions {
  MaskTargetRule targets;

  static MaskOptions from(const Options& options);
};

/// Channels of the mask head, whatever the pyramid has.
constexpr int64_t kMaskChannels = 256;

/// Four 3×3 convolutions with ReLU.
class MaskHeadImpl : public torch::nn::Module {
 public:
  /// channels: of the pyramid.
  explicit MaskHeadImpl(int64_t channels);

  /// x: [K, channels, 14, 14] -> [K, 256, 14, 14].
  at::Tensor forward(at::Tensor x);

  void initialize(const at::Generator& generator);
};
TORCH_MODULE(MaskHead);

/// A transposed convolution that doubles the size, and logits.
class MaskPredictorImpl : public torch::nn::Module {
 public:
  MaskPredictorImpl(int64_t channels, int64_t num_classes);

  /// Of one class for each region, as no other is ever read. x: [K, C, 14, 14]; classes: int64 [K] -> [K, 28, 28].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& classes);

  void initialize(const at::Generator& generator, HeadInitialization initialization);

 private:
  torch::nn::ConvTranspose2d conv5_mask;
  torch::nn::Conv2d mask_fcn_logits;
};
TORCH_MODULE(MaskPredictor);

/// masks: [T, H, W], uint8; proposals: [N, 4]; matched: int64 [N], the mask of each -> what the network should draw
/// within each proposal, [N, side, side].
at::Tensor mask_targets(const at::Tensor& masks, const at::Tensor& proposals, const at::Tensor& matched, int64_t side,
                        MaskTargetRule rule);

/// Mean binary cross entropy. logits: of the true classes, [N, S, S]; targets: [N, S, S]. 0 with a gradient of zeros if
/// there are none.
at::Tensor mask_loss(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace reviewkd::detection
