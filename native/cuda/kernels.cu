// The kernels, compiled for the device: the only file that nvcc compiles, without libtorch's headers.

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels.h"
#include "cuda/kernels/portable.h"
#include "cuda/launch_warps.h"

namespace reviewkd::cuda {
namespace {

template <typename Kernel>
constexpr bool kFinishes = requires { Kernel::kFinishPhases; };

/// The last block of a group sees its counter at the number of the others and resets it. A block's writes are visible
/// to all before its count is: NVIDIA's sample threadFenceReduction.
template <typename Kernel>
__device__ void finish(const Kernel& kernel, uint32_t* counters, float* shared) {
  __shared__ bool is_last;
  const uint32_t group = kernel.group(static_cast<int64_t>(blockIdx.x));
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    is_last = atomicAdd(counters + group, 1u) == kernel.blocks_of_group() - 1;
    if (is_last) counters[group] = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
#pragma unroll
  for (int phase = 0; phase < Kernel::kFinishPhases; ++phase) {
    if (phase > 0) __syncthreads();
    kernel.finish(phase, group, static_cast<int>(threadIdx.x), shared);
  }
}

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads)
    run_kernel(const __grid_constant__ Kernel kernel, uint32_t* counters) {
  __shared__ __align__(16) float shared[Kernel::kShared];
#pragma unroll
  for (int phase = 0; phase < Kernel::kPhases; ++phase) {
    if (phase > 0) __syncthreads();
    kernel.run(phase, static_cast<int64_t>(blockIdx.x), static_cast<int>(threadIdx.x), shared);
  }
  if constexpr (kFinishes<Kernel>) finish(kernel, counters, shared);
}

template <typename Kernel>
void launch(const Kernel& kernel) {
  const int64_t blocks = kernel.blocks();
  if (blocks == 0) return;
  const Stream stream = current_stream();
  run_kernel<Kernel><<<static_cast<unsigned>(blocks), Kernel::kThreads, 0, static_cast<cudaStream_t>(stream.handle)>>>(
      kernel, stream.counters);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string("failed to start a CUDA kernel: ") + cudaGetErrorName(error) + ": " +
                             cudaGetErrorString(error));
  }
}

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

namespace reviewkd::cuda {

ops::KernelBackend device_kernels() { return kernel_table(); }

}  // namespace reviewkd::cuda
