#pragma once
// conv_norm.h's layer on a device: its library convolves, a plugin's kernels do the rest.

#include <optional>

#include "core/ops/conv_norm/conv_norm.h"
#include "core/ops/conv_norm/device_norm.h"

namespace reviewkd::ops {

struct DeviceConvNorm {
  LazyTensor layer;
  at::Tensor before;  // of NormOutputs::kBoth
};

/// Nothing where no kernel serves the layer.
std::optional<DeviceConvNorm> conv_norm_on_device(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                                                  const at::Tensor& residual, NormOutputs outputs);

}  // namespace reviewkd::ops
