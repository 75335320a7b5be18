#include "core/models/backbones/residual_blocks.h"

#include "core/models/layers.h"

namespace reviewkd {
namespace nn = torch::nn;

void ResidualBlockImpl::register_shortcut(const ResidualBlockOptions& options, int64_t out_channels) {
  if (options.stride == 1 && options.in_channels == out_channels) return;
  const nn::Sequential layers(conv1x1(options.in_channels, out_channels, options.stride), batch_norm(out_channels));
  projection_.emplace(register_module(options.shortcut_name, layers));
}

at::Tensor ResidualBlockImpl::shortcut(const at::Tensor& x) { return projection_ ? (*projection_)(x).values() : x; }

ops::LazyTensor ResidualBlockImpl::forward(const ops::LazyTensor& x) {
  const Branch branch = this->branch(x);
  return branch.last.relu(branch.hidden, shortcut(branch.x));
}

ops::Activated ResidualBlockImpl::forward_with_sum(const ops::LazyTensor& x) {
  const Branch branch = this->branch(x);
  return branch.last.activated(branch.hidden, shortcut(branch.x));
}

BasicBlockImpl::BasicBlockImpl(const ResidualBlockOptions& options)
    : conv1(conv3x3(options.in_channels, options.channels, options.stride)),
      conv2(conv3x3(options.channels, options.channels)),
      bn1(batch_norm(options.channels)),
      bn2(batch_norm(options.channels)),
      first_(conv1, bn1),
      second_(conv2, bn2) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_shortcut(options, options.channels * kExpansion);
}

ResidualBlockImpl::Branch BasicBlockImpl::branch(const ops::LazyTensor& x) {
  const auto [hidden, shortcut] = first_.relu_with_shortcut(x);                 // [N, C, H / stride, W / stride]
  return {hidden, shortcut, second_};
}

BottleneckImpl::BottleneckImpl(const ResidualBlockOptions& options)
    : conv1(conv1x1(options.in_channels, options.channels)),
      conv2(conv3x3(options.channels, options.channels, options.stride)),
      conv3(conv1x1(options.channels, options.channels * kExpansion)),
      bn1(batch_norm(options.channels)),
      bn2(batch_norm(options.channels)),
      bn3(batch_norm(options.channels * kExpansion)),
      first_(conv1, bn1),
      second_(conv2, bn2),
      third_(conv3, bn3) {
  register_module("conv1", conv1);
  register_module("bn1", bn1);
  register_module("conv2", conv2);
  register_module("bn2", bn2);
  register_module("conv3", conv3);
  register_module("bn3", bn3);
  register_shortcut(options, options.channels * kExpansion);
}

void BottleneckImpl::stride_in_1x1() {
  conv1->options.stride(conv2->options.stride());
  conv2->options.stride(1);
}

ResidualBlockImpl::Branch BottleneckImpl::branch(const ops::LazyTensor& x) {
  const auto [hidden, shortcut] = first_.relu_with_shortcut(x);                 // [N, C, H, W]
  return {second_.relu(hidden), shortcut, third_};                       // [N, C, H / stride, W / stride]
}

}  // namespace reviewkd
