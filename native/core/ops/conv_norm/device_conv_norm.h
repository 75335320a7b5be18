#pragma once
// Device implementation of conv_norm.h: the device library convolves, and a plugin's kernels do the rest.

#include <optional>

#include "core/ops/conv_norm/conv_norm.h"
#include "core/ops/conv_norm/device_norm.h"

namespace reviewkd::ops {

struct DeviceConvNorm {
  LazyTensor layer;
  at::Tensor before;  // only for NormOutputs::kBoth
};

/// Returns nullopt if no kernel supports the layer, as none does with batch statistics in a StatisticsScope.
std::optional<DeviceConvNorm> conv_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters,
                                                  FoldedWeights& folded, const at::Tensor& residual,
                                                  NormOutputs outputs);

}  // namespace reviewkd::ops
