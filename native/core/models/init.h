#pragma once
// Initial distributions, drawn from an explicit generator so that a seed decides them and nothing else does.

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include <functional>

namespace reviewkd::init {

/// A generator for the CPU that starts from `seed`.
at::Generator generator(uint64_t seed);

/// N(0, 2 / fan_out), fan_out = out channels × kernel area (He et al., ICCV 2015). weight: [O, I, kH, kW].
void kaiming_normal_fan_out(at::Tensor weight, at::Generator generator);

/// N(0, deviation²).
void normal(at::Tensor weight, double deviation, at::Generator generator);

/// U(-b, b) with b = sqrt(6 / ((1 + a²) fan_in)): PyTorch's kaiming_uniform_.
void kaiming_uniform(at::Tensor weight, double a, at::Generator generator);

/// PyTorch's default for convolutions and linear layers: weight and bias, where there is one, U(-b, b) with b = 1 / sqrt(fan_in).
void torch_default(at::Tensor weight, at::Tensor bias, at::Generator generator);

/// Scale 1, shift 0, running mean 0, running variance 1, no batches seen.
void batch_norm(torch::nn::BatchNorm2dImpl& norm);

/// All 0.
void zero(at::Tensor parameter);

/// Draws one layer; the bias is undefined where the layer has none.
using DrawLayer = std::function<void(at::Tensor weight, at::Tensor bias)>;

/// Draws each convolution and each linear layer below `root`, in the order of registration, and resets each batch
/// normalization. A layer of another kind that has parameters would keep what no seed decides: INTERNAL.
void each_layer(torch::nn::Module& root, const DrawLayer& convolution, const DrawLayer& linear);

/// Moves a module to a device; its floating point values take `dtype`. Counters of batches stay int64, as PyTorch keeps and
/// stores them; torch::nn::Module::to would convert them, too.
void place(torch::nn::Module& module, c10::Device device, at::ScalarType dtype);

}  // namespace reviewkd::init
