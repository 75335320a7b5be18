#pragma once
// Batch normalization with residual addition and ReLU by device kernels, for layers with and without a preceding
// convolution.

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/ops/backend/kernel_backends.h"
#include "core/ops/conv_norm/conv_norm.h"

namespace reviewkd::ops {

/// The results of a layer: the sum, its ReLU, or both.
enum class NormOutputs { kSum, kActive, kBoth };

struct DeviceNormalized {
  at::Tensor sum, active;  // undefined unless requested
  at::Tensor statistics;   // [4, C], float32: scale, shift, mean, inverse standard deviation
};

/// Normalizes a map in kernel order with the statistics of its batch, and updates the running ones. residual: shaped
/// like the map, or undefined.
DeviceNormalized normalize_batch(const at::Tensor& raw, const ConvNormParameters& parameters,
                                 const at::Tensor& residual, NormOutputs outputs);

/// scale · raw + shift + residual; scale: [C], or undefined: 1.
DeviceNormalized normalize_map(const at::Tensor& raw, const at::Tensor& scale, const at::Tensor& shift,
                               const at::Tensor& residual, NormOutputs outputs);

/// Results in the form returned by an autograd function: one each for a first and a second reader, sharing memory,
/// and the sum for kBoth.
torch::autograd::variable_list outputs_of(const DeviceNormalized& normalized, NormOutputs outputs);

struct DeviceNormGradient {
  at::Tensor raw;           // of the map that was normalized
  at::Tensor residual;      // undefined without a residual
  at::Tensor gamma, beta;   // [C], float32
};

/// gradients: of the results of outputs_of, each undefined if it was not read. active: undefined without ReLU.
DeviceNormGradient normalize_batch_gradient(const torch::autograd::variable_list& gradients, NormOutputs outputs,
                                            const at::Tensor& raw, const at::Tensor& active,
                                            const at::Tensor& statistics, const at::Tensor& gamma, bool has_residual);

/// Batch normalization without a preceding convolution; nullopt if no kernel supports it, as none
/// does in a StatisticsScope.
std::optional<LazyTensor> batch_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters,
                                               const at::Tensor& residual, bool relu);

}  // namespace reviewkd::ops
