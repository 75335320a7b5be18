#pragma once

#include <cstdint>

namespace reviewkd::cuda {

/// See KernelBackend::open_nccl.
void* open_nccl(const void* store, int32_t rank, int32_t size, int64_t timeout_milliseconds);

}  // namespace reviewkd::cuda
