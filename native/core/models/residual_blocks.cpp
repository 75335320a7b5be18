#include "core/models/residual_blocks.h"

#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;

void ResidualBlockImpl::register_shortcut(const ResidualBlockOptions& options, int64_t out_channels) {
  if (options.stride == 1 && options.in_channels == out_channels) return;
  projection_ = register_module(
      options.shortcut_name,
      nn::Sequential(conv1x1(options.in_channels, out_channels, options.stride), nn::BatchNorm2d(out_channels)));
}

at::Tensor ResidualBlockImpl::shortcut(const at::Tensor& x) { return projection_.is_empty() ? x : projection_->forward(x); }

BasicBlockImpl::BasicBlockImpl(const ResidualBlockOptions& options)
    : conv1(conv3x3(options.in_channels, options.channels, options.stride)),
      conv2(conv3x3(options.channels, options.channels)),
      bn1(options.channels),
      bn2(options.channels) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_shortcut(options, options.channels * kExpansion);
}

at::Tensor BasicBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor hidden = bn1(conv1(x)).relu_();                       // [N, C, H / stride, W / stride]
  return bn2(conv2(hidden)).add_(shortcut(x));
}

BottleneckImpl::BottleneckImpl(const ResidualBlockOptions& options)
    : conv1(conv1x1(options.in_channels, options.channels)),
      conv2(conv3x3(options.channels, options.channels, options.stride)),
      conv3(conv1x1(options.channels, options.channels * kExpansion)),
      bn1(options.channels),
      bn2(options.channels),
      bn3(options.channels * kExpansion) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_module("conv3", conv3);
  register_module("bn3", bn3);
  register_shortcut(options, options.channels * kExpansion);
}

at::Tensor BottleneckImpl::forward(const at::Tensor& x) {
  at::Tensor hidden = bn1(conv1(x)).relu_();                             // [N, C, H, W]
  hidden = bn2(conv2(hidden)).relu_();                                   // [N, C, H / stride, W / stride]
  return bn3(conv3(hidden)).add_(shortcut(x));                           // [N, 4C, H / stride, W / stride]
}

}  // namespace reviewkd
