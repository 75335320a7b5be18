#pragma once
// Layers shared by the network families, and the effect of strides on sizes.
//
// torch::nn's constructors draw values that `initialize` replaces with the published ones. The layers here leave
// their memory uninitialised, so that a network costs almost nothing until its values are drawn.

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <memory>

#include "core/models/backbone.h"
#include "core/ops/conv_norm/conv_norm.h"

namespace reviewkd {

/// A convolution with uninitialised values.
torch::nn::Conv2d conv2d(const torch::nn::Conv2dOptions& options);

/// 3×3 with padding 1 and without bias. As many groups as channels make it depthwise.
torch::nn::Conv2d conv3x3(int64_t in_channels, int64_t out_channels, int64_t stride = 1, int64_t groups = 1);

/// 1×1 without bias.
torch::nn::Conv2d conv1x1(int64_t in_channels, int64_t out_channels, int64_t stride = 1, int64_t groups = 1);

/// A batch normalization of maps that can be frozen.
torch::nn::BatchNorm2d batch_norm(int64_t channels);

/// A linear layer with bias, with uninitialised values.
torch::nn::Linear linear(int64_t in_features, int64_t out_features);

/// A batch normalization and an optional ReLU, run as one operation. The layer remains a module of its owner, who
/// registers it.
class Norm {
 public:
  explicit Norm(torch::nn::BatchNorm2d norm);

  /// x: [N, C, H, W] -> BN(x). The caller owns the result exclusively.
  ops::LazyTensor operator()(const at::Tensor& x) { return run(x, /*relu=*/false); }
  /// ReLU(BN(x)).
  ops::LazyTensor relu(const at::Tensor& x) { return run(x, /*relu=*/true); }

  /// The parameters that a normalization after a convolution needs; in train mode this counts as another batch.
  ops::ConvNormParameters parameters();

 private:
  ops::LazyTensor run(const at::Tensor& x, bool relu);

  torch::nn::BatchNorm2d norm_;
};

/// A convolution, its batch normalization, an optional residual and ReLU, run as one operation. The two layers remain
/// modules of their owner, who registers them under their published names.
class ConvNorm {
 public:
  ConvNorm(torch::nn::Conv2d convolution, torch::nn::BatchNorm2d norm);

  /// x: [N, in, H, W] -> BN(conv(x)) + residual (if any): [N, out, H', W']. The caller owns the result exclusively.
  ops::LazyTensor operator()(const ops::LazyTensor& x, const at::Tensor& residual = {}) {
    return run(x, residual, /*relu=*/false);
  }
  /// ReLU of the above.
  ops::LazyTensor relu(const ops::LazyTensor& x, const at::Tensor& residual = {}) {
    return run(x, residual, /*relu=*/true);
  }
  /// ReLU of BN(conv(x)) for the start of a branch, and x for its shortcut.
  ops::WithShortcut relu_with_shortcut(const ops::LazyTensor& x);
  /// BN(conv(x)) + residual, and its ReLU.
  ops::Activated activated(const ops::LazyTensor& x, const at::Tensor& residual);

 private:
  ops::LazyTensor run(const ops::LazyTensor& x, const at::Tensor& residual, bool relu);
  ops::ConvNormParameters parameters();

  torch::nn::Conv2d convolution_;
  Norm norm_;
  std::shared_ptr<ops::FoldedWeights> folded_ = std::make_shared<ops::FoldedWeights>();
};

/// A convolution with its bias and an optional ReLU, run as one operation. The layer remains a module of its owner, who
/// registers it under its published name.
class BiasedConv {
 public:
  explicit BiasedConv(torch::nn::Conv2d convolution) : convolution_(std::move(convolution)) {}

  /// x: [N, in, H, W] -> conv(x) + bias + residual (if any): [N, out, H', W'].
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& residual = {}) const {
    return run(x, residual, /*relu=*/false);
  }
  /// ReLU of the above.
  at::Tensor relu(const at::Tensor& x) const { return run(x, {}, /*relu=*/true); }

  const torch::nn::Conv2d& layer() const { return convolution_; }

 private:
  at::Tensor run(const at::Tensor& x, const at::Tensor& residual, bool relu) const;

  torch::nn::Conv2d convolution_;
  std::shared_ptr<ops::FoldedWeights> folded_ = std::make_shared<ops::FoldedWeights>();
};

/// act(conv(x) + bias) with a 1×1 kernel of these values. weight: [O, I, 1, 1]; bias: [O].
at::Tensor convolve_pixels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, bool relu);

/// The results of several convolutions of the same shape but for their output channels, computed as one.
std::vector<at::Tensor> convolve_together(const at::Tensor& x, const std::vector<torch::nn::Conv2d>& layers);

/// Convolutions followed by batch normalizations, some of them with a ReLU: the layers of a Sequential that its owner
/// registers.
class ConvNormChain {
 public:
  ConvNormChain() = default;
  /// Throws INTERNAL for any other layers.
  explicit ConvNormChain(const torch::nn::Sequential& layers);

  /// Applies the layers to x, with `residual` (if any) added before the last ReLU; `relu` adds a final ReLU that is
  /// not among the layers. The caller owns the result exclusively.
  ops::LazyTensor operator()(const ops::LazyTensor& x, const at::Tensor& residual = {}, bool relu = false);

 private:
  struct Link {
    ConvNorm layers;
    bool relu;
  };

  std::vector<Link> links_;
};

/// ReLU that overwrites its input, for positions where nothing else holds it: inside a block, after a batch
/// normalization.
torch::nn::ReLU relu_in_place();

/// Interleaves the channels, the first of each group first, so that the output of each group of one convolution
/// reaches every group of the next. x: [N, C, H, W] -> [N, C, H, W]. Zhang et al., "ShuffleNet" (CVPR 2018), section
/// 3.1.
at::Tensor shuffle_channels(const at::Tensor& x, int64_t groups);

/// Output size of a 3×3 convolution or pooling with stride 2 and padding 1, a 7×7 convolution with stride 2 and
/// padding 3, and a 1×1 convolution with stride 2: all round up.
ImageSize stride2_size(ImageSize size);

/// Throws SHAPE_MISMATCH if an image of this size is smaller than the network's minimum.
void require_pixels(ImageSize image, ImageSize smallest = {1, 1});

}  // namespace reviewkd
