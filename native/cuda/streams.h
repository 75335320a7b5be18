#pragma once
// Streams and graphs behind the plain functions of accelerator.h.

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::cuda {

void add_streams_and_graphs(ops::KernelBackend& table);

}  // namespace reviewkd::cuda
