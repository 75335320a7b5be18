#pragma once
// Initial distributions, drawn from an explicit generator so that a seed decides them and nothing else does.

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

namespace reviewkd::init {

/// A generator for the CPU that starts from `seed`.
at::Generator generator(uint64_t seed);

/// N(0, 2 / fan_out), fan_out = out channels × kernel area (He et al., ICCV 2015). weight: [O, I, kH, kW].
void kaiming_normal_fan_out(at::Tensor weight, at::Generator generator);

/// U(-b, b) with b = sqrt(6 / ((1 + a²) fan_in)): PyTorch's kaiming_uniform_.
void kaiming_uniform(at::Tensor weight, double a, at::Generator generator);

/// PyTorch's default for convolutions and linear layers: weight and bias U(-b, b) with b = 1 / sqrt(fan_in).
void torch_default(at::Tensor weight, at::Tensor bias, at::Generator generator);

/// Scale 1, shift 0, running mean 0, running variance 1, no batches seen.
void batch_norm(torch::nn::BatchNorm2dImpl& norm);

/// Moves a module to a device; its floating point values take `dtype`. Counters of batches stay int64, as PyTorch keeps and
/// stores them; torch::nn::Module::to would convert them, too.
void place(torch::nn::Module& module, c10::Device device, at::ScalarType dtype);

}  // namespace reviewkd::init
