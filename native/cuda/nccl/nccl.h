#pragma once

#include <cstdint>

namespace reviewkd::cuda {

/// Whether libtorch was built with the same version of NCCL as this plugin: the sizes of c10d's structures depend on it.
bool fits_nccl_of_libtorch();

/// See KernelBackend::open_nccl.
void* open_nccl(const void* store, int32_t rank, int32_t size, int64_t timeout_milliseconds);

}  // namespace reviewkd::cuda
