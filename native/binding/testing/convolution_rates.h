#pragma once
// Throughput of the tensor cores' 3 × 3 convolution in the shapes of CIFAR networks, compared with cuDNN's for the
// same shapes.

#include <vector>

#include "binding/testing/kernel_rate.h"
#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::binding {

/// Batches of at most 128, typical of training. Their maps fit into a device's L2 cache, where the previous layer has
/// left them: these are rates of a network's layers, not of memory. Empty if the device has no such kernel.
std::vector<KernelRate> measure_convolutions(const ops::KernelBackend& backend, const RateOptions& options);

}  // namespace reviewkd::binding
