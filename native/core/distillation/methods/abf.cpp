#include "core/distillation/methods/abf.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "core/distillation/methods/maps.h"
#include "core/models/init.h"
#include "core/models/layers.h"
#include "core/ops/attention_fusion/attention_fusion.h"

namespace reviewkd {
namespace nn = torch::nn;
namespace {

nn::Sequential conv_bn(int64_t in_channels, int64_t out_channels, int64_t kernel) {
  const auto options = nn::Conv2dOptions(in_channels, out_channels, kernel).padding(kernel / 2).bias(false);
  return nn::Sequential(conv2d(options), nn::BatchNorm2d(out_channels));
}

void initialize_conv_bn(nn::Sequential& layers, at::Generator generator) {
  init::kaiming_uniform(layers[0]->as<nn::Conv2dImpl>()->weight, 1.0, generator);
  init::batch_norm(*layers[1]->as<nn::BatchNorm2dImpl>());
}

}  // namespace

AbfImpl::AbfImpl(const AbfOptions& options)
    : has_residual_(options.has_residual), conv1(conv_bn(options.in_channels, options.mid_channels, 1)) {
  register_module("conv1", conv1);
  narrow_ = ConvNormChain(conv1);
  if (options.out_channels) conv2 = register_module("conv2", conv_bn(options.mid_channels, *options.out_channels, 3));
  if (conv2) widen_ = ConvNormChain(conv2);
  if (options.has_residual && options.fusion == Fusion::kAbf) {
    att_conv = register_module(
        "att_conv", nn::Sequential(conv2d(nn::Conv2dOptions(2 * options.mid_channels, 2, 1)), nn::Sigmoid()));
  }
}

Fused AbfImpl::forward(const at::Tensor& x_in, const at::Tensor& residual, ImageSize teacher) {
  ops::LazyTensor x = narrow_(x_in);                                            // [N, mid, H, W]
  if (has_residual_) {
    if (att_conv) {
      const auto* attention = att_conv[0]->as<nn::Conv2dImpl>();
      // Not recomputed in the backward pass: the next fusion keeps it anyway, and recomputing takes longer than reading.
      x = ops::LazyTensor(ops::attention_fusion(x, residual, attention->weight, attention->bias).values());
    } else {
      x = x.values() + resize_nearest(residual, size_of(x)).values();
    }
  }
  x = resize_nearest(x, teacher);                                        // [N, mid, Ht, Wt]
  return {conv2 ? widen_(x).values() : at::Tensor(), x};                 // output: [N, out, Ht, Wt]
}

void AbfImpl::initialize(at::Generator generator) {
  initialize_conv_bn(conv1, generator);
  if (conv2) initialize_conv_bn(conv2, generator);
  if (att_conv) {
    auto* attention = att_conv[0]->as<nn::Conv2dImpl>();
    init::torch_default(attention->weight, attention->bias, generator);
  }
}

}  // namespace reviewkd
