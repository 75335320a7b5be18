#pragma once
// Batch normalization with what is added and ReLU by a device's kernels, for layers with a convolution in front and without one.

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/ops/backend/kernel_backends.h"
#include "core/ops/conv_norm/conv_norm.h"

namespace reviewkd::ops {

/// Which results a layer gives: the sum, its ReLU, or both.
enum class NormOutputs { kSum, kActive, kBoth };

struct DeviceNormalized {
  at::Tensor sum, active;  // undefined where it is not asked for
  at::Tensor statistics;   // [4, C], float32: scale, shift, mean, inverse of the deviation
};

/// Normalizes a map in a kernel's order by the statistics of its batch, and updates the running ones. residual: as the map, or undefined.
DeviceNormalized normalize_batch(const at::Tensor& raw, const ConvNormParameters& parameters, const at::Tensor& residual, NormOutputs outputs);

/// scale · raw + shift + residual; scale: [C], or undefined: 1.
DeviceNormalized normalize_map(const at::Tensor& raw, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& residual, NormOutputs outputs);

/// Results as a function of autograd gives them: a first and a second reader's, which share their memory, and for kBoth the sum.
torch::autograd::variable_list outputs_of(const DeviceNormalized& normalized, NormOutputs outputs);

struct DeviceNormGradient {
  at::Tensor raw;           // of the map that was normalized
  at::Tensor residual;      // undefined where nothing was added
  at::Tensor gamma, beta;   // [C], float32
};

/// gradients: of what outputs_of gave, each undefined if it was not read. active: undefined without ReLU.
DeviceNormGradient normalize_batch_gradient(const torch::autograd::variable_list& gradients, NormOutputs outputs, const at::Tensor& raw,
                                            const at::Tensor& active, const at::Tensor& statistics, const at::Tensor& gamma, bool has_residual);

/// Batch normalization without a convolution in front; nothing where no kernel serves it.
std::optional<LazyTensor> batch_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

}  // namespace reviewkd::ops
