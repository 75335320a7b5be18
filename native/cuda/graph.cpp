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
    Allocator::endAllocateToPool(pool.device, pool.id);
  } catch (const std::exception&) {
    return;
  }
  try {
    Allocator::releasePool(pool.device, pool.id);
  } catch (const std::exception&) {
    // The pool is lost to this process, and nothing else.
  }
}

/// Ends the capture whatever state it is in. The reason of the failure is known already, and what CUDA reports of it is nothing new.
void abandon(std::unique_ptr<RecordedGraph> recording) noexcept {
  try {
    recording->graph.capture_end();
  } catch (const std::exception&) {
    static_cast<void>(cudaGetLastError());
  }
  const auto pool = recording->pool;
  recording.reset();
  end_allocations(*pool);
  static_cast<void>(cudaGetLastError());
}

std::mutex& recording_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

void destroy_graph(std::unique_ptr<RecordedGraph> graph) {
  // Of its own stream: waiting for the whole device would break the recording of another thread. After an error of the device nothing is at work any more.
  static_cast<void>(cudaStreamSynchronize(graph->stream.stream()));
  const std::lock_guard no_recording(recording_mutex());
  graph.reset();
}

std::shared_ptr<const GraphPool> GraphPools::current() {
  auto pool = pool_.lock();
  if (!pool) pool_ = pool = std::make_shared<const GraphPool>(GraphPool{device_});
  return pool;
}

std::unique_ptr<RecordedGraph> record_graph(GraphPools& pools, void (*work)(void*), void* argument) {
  const std::lock_guard one_at_a_time(recording_mutex());
  // The memory of steps that were not recorded: the pool takes as much.
  Allocator::emptyCache();
  auto recording = std::make_unique<RecordedGraph>(pools.current(), c10::cuda::getCurrentCUDAStream());
  try {
    // Other threads of the process, other sessions among them, continue their work.
    recording->graph.capture_begin(recording->pool->id, cudaStreamCaptureModeThreadLocal);
    work(argument);
    recording->graph.capture_end();
    return recording;
  } catch (...) {
    abandon(std::move(recording));
    // An allocation that failed may have left the rest of the device's memory in the pool.
    Allocator::emptyCache();
    throw;
  }
}

}  // namespace reviewkd::cuda
