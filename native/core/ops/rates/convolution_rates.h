#pragma once
// How fast the tensor cores' 3 × 3 convolution is in the shapes of CIFAR networks, next to cuDNN's of the same shape.

#include <vector>

#include "core/ops/backend/kernel_backend.h"
#include "core/ops/rates/device_rates.h"

namespace reviewkd::ops {

/// Batches of at most 128, as networks are trained with. Their maps fit into a device's L2, in which the layer before has left them: these are rates of a
/// network's layers, and not of memory. Empty if the device has no such kernel.
std::vector<KernelRate> measure_convolutions(const KernelBackend& backend, const RateOptions& options);

}  // namespace reviewkd::ops
