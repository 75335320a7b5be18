// The kernels, compiled for the device: the one file that nvcc sees, without libtorch's headers.

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

#include "core/ops/accelerator.h"
#include "cuda/kernels.h"
#include "cuda/kernels/portable.h"
#include "cuda/launch_warps.h"

namespace reviewkd::cuda {
namespace {

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) run_kernel(const __grid_constant__ Kernel kernel) {
  __shared__ __align__(16) float shared[Kernel::kShared];
#pragma unroll
  for (int phase = 0; phase < Kernel::kPhases; ++phase) {
    if (phase > 0) __syncthreads();
    kernel.run(phase, static_cast<int64_t>(blockIdx.x), static_cast<int>(threadIdx.x), shared);
  }
}

template <typename Kernel>
void launch(const Kernel& kernel) {
  const int64_t blocks = kernel.blocks();
  if (blocks == 0) return;
  run_kernel<Kernel><<<static_cast<unsigned>(blocks), Kernel::kThreads, 0, static_cast<cudaStream_t>(current_stream())>>>(kernel);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string("expected a CUDA kernel to start, got ") + cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
  }
}

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

namespace reviewkd::cuda {

ops::Accelerator device_kernels() { return kernel_table(); }

}  // namespace reviewkd::cuda
