#pragma once
// The interface between the two halves of the plugin: kernels, compiled by nvcc, and libtorch's streams, compiled by
// the C++ compiler.

#include <cstdint>

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::cuda {

/// The table with only its kernels set.
ops::KernelBackend device_kernels();

/// Maximum number of block groups of a kernel that sums partial results: kMostChannels of four bytes in groups of 128
/// bytes.
constexpr int kMostGroups = 128;

/// The calling thread's launch target.
struct Stream {
  void* handle;        // a cudaStream_t, the current one of the current device
  uint32_t* counters;  // [kMostGroups] on the device, 0 between kernels; of this stream alone
};
Stream current_stream();

}  // namespace reviewkd::cuda
