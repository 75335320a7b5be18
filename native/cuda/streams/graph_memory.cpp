#include "cuda/streams/graph_memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <exception>
#include <functional>
#include <utility>

namespace reviewkd::cuda {
namespace {

using c10::cuda::CUDAStream;

/// Whether a stream belongs to the capture of a graph.
using StreamFilter = std::function<bool(cudaStream_t)>;

bool is_captured(cudaStream_t stream, c10::CaptureId_t capture) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long id = 0;
  if (cudaStreamGetCaptureInfo(stream, &status, &id) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return false;
  }
  return status == cudaStreamCaptureStatusActive && id == capture;
}

/// The allocator of device memory.
struct DeviceAllocator {
  static void begin(const GraphPool& pool, StreamFilter filter) {
    c10::cuda::CUDACachingAllocator::beginAllocateToPool(pool.device, pool.id, std::move(filter));
  }
  static void end(const GraphPool& pool) { c10::cuda::CUDACachingAllocator::endAllocateToPool(pool.device, pool.id); }
  static void release(const GraphPool& pool) { c10::cuda::CUDACachingAllocator::releasePool(pool.device, pool.id); }
};

/// The allocator of page-locked memory. Memory that a recording has copied from is not reused by later recordings.
struct HostAllocator {
  static at::HostAllocator& get() { return *at::getHostAllocator(at::kCUDA); }
  static void begin(const GraphPool& pool, StreamFilter filter) {
    get().begin_allocate_to_pool(pool.host, [filter = std::move(filter)](c10::Stream stream) {
      return filter(CUDAStream(CUDAStream::UNCHECKED, stream).stream());
    });
  }
  static void end(const GraphPool& pool) { get().end_allocate_to_pool(pool.host); }
  // A released pool, with some 50 KB of its own, would stay until the cache of page-locked memory is emptied.
  static void release(const GraphPool&) {}
};

/// A graph's share of one allocator's pool.
template <typename Allocator>
class PoolShare {
 public:
  PoolShare(const GraphPool& pool, StreamFilter filter) : pool_(pool) { Allocator::begin(pool, std::move(filter)); }
  PoolShare(const PoolShare&) = delete;
  PoolShare& operator=(const PoolShare&) = delete;
  ~PoolShare() {
    try {
      close();
      Allocator::release(pool_);
    } catch (const std::exception&) {
      // The pool is lost to this process, without further consequences.
    }
  }

  void close() {
    if (std::exchange(is_open_, false)) Allocator::end(pool_);
  }

 private:
  const GraphPool& pool_;
  bool is_open_ = true;
};

}  // namespace

struct GraphMemory::Parts {
  std::shared_ptr<const GraphPool> pool;
  std::atomic<c10::CaptureId_t> capture = 0;  // no capture
  StreamFilter filter = [this](cudaStream_t stream) { return is_captured(stream, capture); };
  PoolShare<DeviceAllocator> device{*pool, filter};
  PoolShare<HostAllocator> host{*pool, filter};

  explicit Parts(std::shared_ptr<const GraphPool> pool) : pool(std::move(pool)) {}
};

GraphMemory::GraphMemory(std::shared_ptr<const GraphPool> pool) : parts_(std::make_unique<Parts>(std::move(pool))) {}

GraphMemory::~GraphMemory() = default;

void GraphMemory::open(c10::CaptureId_t capture) { parts_->capture = capture; }

void GraphMemory::close() {
  parts_->device.close();
  parts_->host.close();
}

std::shared_ptr<const GraphPool> GraphPools::current() {
  auto pool = pool_.lock();
  if (!pool) pool_ = pool = std::make_shared<const GraphPool>(GraphPool{device_, host_});
  return pool;
}

}  // namespace reviewkd::cuda
