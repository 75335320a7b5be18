#pragma once
// What the families share: layers, and what strides do to sizes.
//
// torch::nn's constructors draw values that `initialize` replaces by the published ones. The layers here leave their memory
// untouched, so that a network costs next to nothing until its values are drawn.

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <memory>

#include "core/models/backbone.h"
#include "core/ops/conv_norm/conv_norm.h"

namespace reviewkd {

/// A convolution without values.
torch::nn::Conv2d conv2d(const torch::nn::Conv2dOptions& options);

/// 3×3 with padding 1 and without bias. As many groups as channels make it depthwise.
torch::nn::Conv2d conv3x3(int64_t in_channels, int64_t out_channels, int64_t stride = 1, int64_t groups = 1);

/// 1×1 without bias.
torch::nn::Conv2d conv1x1(int64_t in_channels, int64_t out_channels, int64_t stride = 1, int64_t groups = 1);

/// A linear layer with bias, without values.
torch::nn::Linear linear(int64_t in_features, int64_t out_features);

/// A batch normalization and what follows, run as one operation. The layer stays a module of its owner, who registers it.
class Norm {
 public:
  explicit Norm(torch::nn::BatchNorm2d norm);

  /// x: [N, C, H, W] -> BN(x). The result is the caller's alone.
  ops::LazyTensor operator()(const at::Tensor& x) { return run(x, /*relu=*/false); }
  /// ReLU of that.
  ops::LazyTensor relu(const at::Tensor& x) { return run(x, /*relu=*/true); }

  /// What a normalization behind a convolution needs of it; in train mode it counts as another batch.
  ops::ConvNormParameters parameters();

 private:
  ops::LazyTensor run(const at::Tensor& x, bool relu);

  torch::nn::BatchNorm2d norm_;
};

/// A convolution, the batch normalization behind it and what follows, run as one operation. The two layers stay modules of their
/// owner, who registers them under their published names.
class ConvNorm {
 public:
  ConvNorm(torch::nn::Conv2d convolution, torch::nn::BatchNorm2d norm);

  /// x: [N, in, H, W] -> BN(conv(x)) + residual, where there is one: [N, out, H', W']. The result is the caller's alone.
  ops::LazyTensor operator()(const ops::LazyTensor& x, const at::Tensor& residual = {}) { return run(x, residual, /*relu=*/false); }
  /// ReLU of that.
  ops::LazyTensor relu(const ops::LazyTensor& x, const at::Tensor& residual = {}) { return run(x, residual, /*relu=*/true); }
  /// ReLU of BN(conv(x)) where a branch begins, and x for its shortcut.
  ops::WithShortcut forked_relu(const ops::LazyTensor& x);
  /// BN(conv(x)) + residual, and ReLU of that.
  ops::Activated activated(const ops::LazyTensor& x, const at::Tensor& residual);

 private:
  ops::LazyTensor run(const ops::LazyTensor& x, const at::Tensor& residual, bool relu);
  ops::ConvNormParameters parameters();

  torch::nn::Conv2d convolution_;
  Norm norm_;
  std::shared_ptr<ops::FoldedWeights> folded_ = std::make_shared<ops::FoldedWeights>();
};

/// Convolutions with batch normalizations behind them, and ReLUs behind some of these: the layers of a Sequential that its owner
/// registers.
class ConvNormChain {
 public:
  ConvNormChain() = default;
  /// Throws INTERNAL where the layers are others.
  explicit ConvNormChain(const torch::nn::Sequential& layers);

  /// What the layers make of x, with `residual`, where there is one, added in front of the last ReLU; a last ReLU that is not among
  /// the layers is asked for by `relu`. The result is the caller's alone.
  ops::LazyTensor operator()(const ops::LazyTensor& x, const at::Tensor& residual = {}, bool relu = false);

 private:
  struct Link {
    ConvNorm layers;
    bool relu;
  };

  std::vector<Link> links_;
};

/// ReLU that overwrites what it reads, for places where nothing else holds it: inside a block, behind a batch normalization.
torch::nn::ReLU relu_in_place();

/// Deals the channels out anew, the first of each group first: what the groups of one convolution computed reaches every group
/// of the next. x: [N, C, H, W] -> [N, C, H, W]. Zhang et al., "ShuffleNet" (CVPR 2018), section 3.1.
at::Tensor shuffle_channels(const at::Tensor& x, int64_t groups);

/// Size behind a 3×3 convolution or pooling of stride 2 and padding 1, a 7×7 convolution of stride 2 and padding 3, and a 1×1
/// convolution of stride 2: all round up.
ImageSize stride2_size(ImageSize size);

/// Throws SHAPE_MISMATCH where an image of this size has less than the pixels that the network needs.
void require_pixels(ImageSize image, ImageSize smallest = {1, 1});

}  // namespace reviewkd
