#pragma once
// Implements the stream and graph functions of kernel_backend.h.

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::cuda {

void add_streams_and_graphs(ops::KernelBackend& table);

}  // namespace reviewkd::cuda
