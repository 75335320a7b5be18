#pragma once
// The values of maps in channels-last order as rows, channel by channel.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// x.flatten(1): [N, C, H, W] -> [N, C · H · W]. Float32 maps on the CPU in channels-last order are transposed by blocks
/// that stay in the core's cache, and their gradient is returned in that order.
at::Tensor flatten_maps(const at::Tensor& x);

}  // namespace reviewkd::ops
