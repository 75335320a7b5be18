#pragma once
// The launch of warp kernels (see kernels/warp.h) on a device. Included by kernels.cu alone.

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels.h"
#include "cuda/kernels/warp.h"

namespace reviewkd::cuda {
namespace {

/// The least device with mma of bfloat16, cp.async and 99 KB of shared memory for a block: Ampere.
constexpr int kWarpMajor = 8;

/// kSharedBytes is a parameter for its place in the kernel's name: ptxas lists only shared memory of a fixed size (see scripts/cuda/resources.mjs).
template <typename Kernel, int kSharedBytes>
__global__ void __launch_bounds__(Kernel::kWarps * kLanes) run_warps(const __grid_constant__ Kernel kernel) {
#if __CUDA_ARCH__ >= 100 * 8  // kWarpMajor; empty for earlier devices, on which supports_warps is false
  extern __shared__ __align__(16) std::byte shared[];
  // The same in all lanes, which the compiler cannot know of threadIdx.
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
  if (error != cudaSuccess) throw std::runtime_error(std::string("failed to ") + what + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
}

/// Of the current device.
bool supports_warps() {
  int device = 0, major = 0;
  require(cudaGetDevice(&device), "find the current CUDA device");
  require(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "read a CUDA device's compute capability");
  return major >= kWarpMajor;
}

template <typename Kernel>
void launch_warps(const Kernel& kernel) {
  const int64_t blocks = kernel.blocks();
  if (blocks == 0) return;
  const auto run = &run_warps<Kernel, Kernel::kSharedBytes>;
  // More than 48 KB must be requested, on each device. That is no work of a stream, and legal while one is captured.
  if (Kernel::kSharedBytes > 48 * 1024) {
    require(cudaFuncSetAttribute(run, cudaFuncAttributeMaxDynamicSharedMemorySize, Kernel::kSharedBytes), "reserve a CUDA kernel's shared memory");
  }
  run<<<static_cast<unsigned>(blocks), Kernel::kWarps * kLanes, Kernel::kSharedBytes, static_cast<cudaStream_t>(current_stream())>>>(kernel);
  require(cudaGetLastError(), "start a CUDA kernel");
}

}  // namespace
}  // namespace reviewkd::cuda
