#pragma once
// The border between the two halves of the plugin: kernels, which nvcc compiles, and libtorch's streams, which the C++ compiler does.

#include <cstdint>

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::cuda {

/// The table with its kernels alone.
ops::KernelBackend device_kernels();

/// Groups of blocks that a kernel may have which sums up partial results: kMostChannels of four bytes in groups of 128 bytes.
constexpr int kMostGroups = 128;

/// Where the calling thread's kernels go.
struct Stream {
  void* handle;        // a cudaStream_t, the current one of the current device
  uint32_t* counters;  // [kMostGroups] on the device, 0 between kernels; of this stream alone
};
Stream current_stream();

}  // namespace reviewkd::cuda
