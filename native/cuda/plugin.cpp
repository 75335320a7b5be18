// The plugin: its table. Links against the CUDA half of libtorch, which is loaded before the plugin.

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>
#include <torch/version.h>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels.h"
#include "cuda/nccl/nccl.h"
#include "cuda/streams/streams.h"

namespace reviewkd::cuda {
namespace {

/// Free memory on the device plus free blocks in libtorch's allocator.
int64_t free_memory() {
  size_t free_bytes = 0, all = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &all));
  int device = 0;
  C10_CUDA_CHECK(cudaGetDevice(&device));
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return static_cast<int64_t>(free_bytes) + stats.reserved_bytes[kAll].current - stats.active_bytes[kAll].current;
}

}  // namespace
}  // namespace reviewkd::cuda

extern "C" __attribute__((visibility("default"))) const reviewkd::ops::KernelBackend* reviewkd_kernel_backend() {
  namespace cuda = reviewkd::cuda;
  static const reviewkd::ops::KernelBackend table = [] {
    reviewkd::ops::KernelBackend result = cuda::device_kernels();
    result.device = "CUDA";
    result.libtorch = TORCH_VERSION;
    result.built_for = REVIEWKD_CUDA_BUILT_FOR;
    result.free_memory = &cuda::free_memory;
    if (cuda::fits_nccl_of_libtorch()) result.open_nccl = &cuda::open_nccl;
    cuda::add_streams_and_graphs(result);
    return result;
  }();
  return &table;
}
