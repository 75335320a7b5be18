#pragma once
// Initial distributions, drawn from an explicit generator so that they depend only on the seed.

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include <functional>

namespace reviewkd::init {

/// A CPU generator seeded with `seed`.
at::Generator generator(uint64_t seed);

/// N(0, 2 / fan_out), fan_out = out channels × kernel area (He et al., ICCV 2015). weight: [O, I, kH, kW].
void kaiming_normal_fan_out(at::Tensor weight, at::Generator generator);

/// N(0, deviation²).
void normal(at::Tensor weight, double deviation, at::Generator generator);

/// U(-b, b) with b = sqrt(6 / ((1 + a²) fan_in)): PyTorch's kaiming_uniform_.
void kaiming_uniform(at::Tensor weight, double a, at::Generator generator);

/// PyTorch's default for convolutions and linear layers: weight and bias (if any) from U(-b, b) with b = 1 /
/// sqrt(fan_in).
void torch_default(at::Tensor weight, at::Tensor bias, at::Generator generator);

/// The bias alone by PyTorch's default, for a layer with this weight.
void default_bias(const at::Tensor& weight, at::Tensor bias, at::Generator generator);

/// Scale 1, shift 0, running mean 0, running variance 1, no batches tracked.
void batch_norm(torch::nn::BatchNorm2dImpl& norm);

/// All 0.
void zero(at::Tensor parameter);

/// Draws one layer; the bias is undefined if the layer has none.
using DrawLayer = std::function<void(at::Tensor weight, at::Tensor bias)>;

/// Draws each convolution and each linear layer below `root`, in registration order, and resets each batch
/// normalization. Throws INTERNAL for any other layer with parameters, whose values would not depend on the seed.
void each_layer(torch::nn::Module& root, const DrawLayer& convolution, const DrawLayer& linear);

/// Moves a module to a device and converts its floating-point values to `dtype`. Batch counters stay int64, as
/// PyTorch keeps and stores them; torch::nn::Module::to would convert them, too.
void place(torch::nn::Module& module, c10::Device device, at::ScalarType dtype);

}  // namespace reviewkd::init
