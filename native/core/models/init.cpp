#include "core/models/init.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

#include "core/base/error.h"
#include "core/base/random.h"

namespace reviewkd::init {
namespace {

int64_t fan_in_of(const at::Tensor& weight) { return weight.numel() / weight.size(0); }

double default_bound(const at::Tensor& weight) { return 1.0 / std::sqrt(static_cast<double>(fan_in_of(weight))); }

// Drawn on the CPU in the parameter's type, so that a seed produces the same network on every device.
template <typename Draw>
void fill(at::Tensor& parameter, Draw draw) {
  torch::NoGradGuard no_grad;
  at::Tensor values = at::empty(parameter.sizes(), parameter.options().device(at::kCPU).requires_grad(false));
  draw(values);
  parameter.copy_(values);
}

void uniform(at::Tensor& parameter, double bound, at::Generator& generator) {
  fill(parameter, [&](at::Tensor& values) { values.uniform_(-bound, bound, generator); });
}

}  // namespace

at::Generator generator(uint64_t seed) {
  // PyTorch's generator uses 32 bits; larger seeds are hashed to them, so that they differ from their lower halves.
  constexpr uint64_t kGeneratorBits = 32;
  return at::detail::createCPUGenerator(seed >> kGeneratorBits == 0 ? seed : mix64(seed));
}

void kaiming_normal_fan_out(at::Tensor weight, at::Generator generator) {
  const auto fan_out = weight.numel() / weight.size(1);
  normal(weight, std::sqrt(2.0 / static_cast<double>(fan_out)), generator);
}

void normal(at::Tensor weight, double deviation, at::Generator generator) {
  fill(weight, [&](at::Tensor& values) { values.normal_(0.0, deviation, generator); });
}

void kaiming_uniform(at::Tensor weight, double a, at::Generator generator) {
  uniform(weight, std::sqrt(6.0 / ((1.0 + a * a) * static_cast<double>(fan_in_of(weight)))), generator);
}

void torch_default(at::Tensor weight, at::Tensor bias, at::Generator generator) {
  uniform(weight, default_bound(weight), generator);
  if (bias.defined()) uniform(bias, default_bound(weight), generator);
}

void default_bias(const at::Tensor& weight, at::Tensor bias, at::Generator generator) {
  uniform(bias, default_bound(weight), generator);
}

void batch_norm(torch::nn::BatchNorm2dImpl& norm) {
  torch::NoGradGuard no_grad;
  norm.weight.fill_(1);
  norm.bias.zero_();
  norm.running_mean.zero_();
  norm.running_var.fill_(1);
  norm.num_batches_tracked.zero_();
}

void zero(at::Tensor parameter) {
  torch::NoGradGuard no_grad;
  parameter.zero_();
}

void each_layer(torch::nn::Module& root, const DrawLayer& convolution, const DrawLayer& linear) {
  for (const auto& module : root.modules(/*include_self=*/false)) {
    if (const auto* conv = module->as<torch::nn::Conv2dImpl>()) {
      convolution(conv->weight, conv->bias);
    } else if (const auto* fc = module->as<torch::nn::LinearImpl>()) {
      linear(fc->weight, fc->bias);
    } else if (auto* norm = module->as<torch::nn::BatchNorm2dImpl>()) {
      batch_norm(*norm);
    } else if (!module->parameters(/*recurse=*/false).empty()) {
      fail(ErrorCode::kInternal,
           "invalid layer: expected a convolution, a linear layer or a batch normalization, received ", module->name(),
           ".");
    }
  }
}

void place(torch::nn::Module& module, c10::Device device, at::ScalarType dtype) {
  module.to(device);
  torch::NoGradGuard no_grad;
  const auto convert = [&](at::Tensor tensor) {
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(dtype));
  };
  for (const auto& parameter : module.parameters()) convert(parameter);
  for (const auto& buffer : module.buffers()) convert(buffer);
}

}  // namespace reviewkd::init
