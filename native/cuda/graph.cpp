#include "cuda/graph.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <mutex>

namespace reviewkd::cuda {
namespace {

namespace Allocator = c10::cuda::CUDACachingAllocator;

/// Where cudaStreamEndCapture fails, libtorch 2.11 and 2.12 go on putting allocations into the pool, though its graph is gone; later versions refuse
/// the call, as they have ended that themselves.
void end_allocations(const GraphPool& pool) {
  try {
    Allocator::endAllocateToPool(pool.device(), pool.id());
  } catch (const std::exception&) {
    return;
  }
  Allocator::releasePool(pool.device(), pool.id());
}

/// Ends the capture whatever state it is in. The reason of the failure is known already, and what CUDA reports of it is nothing new.
void abandon(std::unique_ptr<at::cuda::CUDAGraph> graph, const GraphPool& pool) noexcept {
  try {
    graph->capture_end();
  } catch (const std::exception&) {
    static_cast<void>(cudaGetLastError());
  }
  graph.reset();
  end_allocations(pool);
  static_cast<void>(cudaGetLastError());
}

std::mutex& recording() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

std::unique_ptr<at::cuda::CUDAGraph> record_graph(const GraphPool& pool, void (*work)(void*), void* argument) {
  const std::lock_guard one_at_a_time(recording());
  // The memory of steps that were not recorded: the pool takes as much.
  Allocator::emptyCache();
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  try {
    // Other threads of the process, other sessions among them, continue their work.
    graph->capture_begin(pool.id(), cudaStreamCaptureModeThreadLocal);
    work(argument);
    graph->capture_end();
    return graph;
  } catch (...) {
    abandon(std::move(graph), pool);
    // An allocation that failed may have left the rest of the device's memory in the pool.
    Allocator::emptyCache();
    throw;
  }
}

}  // namespace reviewkd::cuda
