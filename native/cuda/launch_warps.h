#pragma once
// Launches warp kernels (see kernels/warp.h) on a device. Included only by kernels.cu.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "cuda/kernels.h"
#include "cuda/kernels/warp.h"

namespace reviewkd::cuda {
namespace {

/// Ampere: the first with mma of bfloat16, cp.async, and 99 KB of shared memory per block.
constexpr int kWarpArchitecture = 80;

/// Blocks for which a multiprocessor has registers: not fewer, and not more at the price of spills. The 512 blocks of
/// a batch of CIFAR images fill 132 processors.
constexpr int kBlocksAtOnce = 4;

/// kSharedBytes is a template parameter so that it is part of the kernel's name: ptxas lists only shared memory of a
/// fixed size (see scripts/cuda/resources.ts).
template <typename Kernel, int kSharedBytes>
__global__ void __launch_bounds__(Kernel::kWarps* kLanes, kBlocksAtOnce)
    run_warps(const __grid_constant__ Kernel kernel) {
#if __CUDA_ARCH__ >= 800  // kWarpArchitecture; empty for earlier devices, on which supports_warps is false.
  extern __shared__ __align__(16) std::byte shared[];
  // Equal in all lanes, which the compiler cannot infer from threadIdx.
  const int warp = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / kLanes, 0);
  typename Kernel::Registers registers;
#pragma unroll
  for (int phase = 0; phase < Kernel::kPhases; ++phase) {
    if (phase > 0) __syncthreads();
    kernel.run(phase, static_cast<int64_t>(blockIdx.x), warp, registers, shared);
  }
#endif
}

void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess)
    throw std::runtime_error(std::string("failed to ") + what + ": " + cudaGetErrorName(error) + ": " +
                             cudaGetErrorString(error));
}

/// Whether the current device's code for this kernel is nonempty. A later device may run code for an earlier one, if
/// the plugin contains no other.
template <typename Kernel>
bool supports_warps() {
  cudaFuncAttributes attributes{};
  require(cudaFuncGetAttributes(&attributes, &run_warps<Kernel, Kernel::kSharedBytes>),
          "read a CUDA kernel's attributes");
  return attributes.ptxVersion >= kWarpArchitecture;
}

template <typename Kernel>
void launch_warps(const Kernel& kernel) {
  const int64_t blocks = kernel.blocks();
  if (blocks == 0) return;
  const auto run = &run_warps<Kernel, Kernel::kSharedBytes>;
  // More than 48 KB must be requested, on each device. The request is not stream work and is allowed during capture.
  if (Kernel::kSharedBytes > 48 * 1024) {
    require(cudaFuncSetAttribute(run, cudaFuncAttributeMaxDynamicSharedMemorySize, Kernel::kSharedBytes),
            "reserve a CUDA kernel's shared memory");
  }
  run<<<static_cast<unsigned>(blocks), Kernel::kWarps * kLanes, Kernel::kSharedBytes,
        static_cast<cudaStream_t>(current_stream().handle)>>>(kernel);
  require(cudaGetLastError(), "start a CUDA kernel");
}

}  // namespace
}  // namespace reviewkd::cuda
