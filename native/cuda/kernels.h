#pragma once
// What the two halves of the plugin know of each other: kernels, which nvcc compiles, and libtorch's streams, which the C++ compiler does.

#include "core/ops/accelerator.h"

namespace reviewkd::cuda {

/// The table with its kernels alone.
ops::Accelerator device_kernels();

/// The calling thread's current stream of the current device, a cudaStream_t.
void* current_stream();

}  // namespace reviewkd::cuda
