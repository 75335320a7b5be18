#pragma once
// Throughput of a kernel backend's kernels, compared with a copy on the same device in the same run.

#include <vector>

#include "binding/testing/kernel_rate.h"

namespace reviewkd::binding {

/// The first entry is the copy. Empty if no kernel backend supports the device.
std::vector<KernelRate> measure_kernels(const RateOptions& options);

}  // namespace reviewkd::binding
