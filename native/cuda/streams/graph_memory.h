#pragma once
// Memory of recorded work: a pool of libtorch's allocators that the graphs of one session share.

#include <ATen/cuda/MemPool.h>

#include <memory>

namespace reviewkd::cuda {

/// The ids of the memory that graphs share: device memory, and page-locked host memory.
struct GraphPool {
  c10::DeviceIndex device;
  c10::MempoolId_t host;
  c10::MempoolId_t id = at::cuda::MemPool::graph_pool_handle();
};

/// The graphs of one session share their memory: they are replayed one after the other, and tensors that outlive a
/// recording keep their blocks. libtorch drops the device part of a pool with its last graph, and the next one then
/// starts another; it never drops the host part, so one serves all.
class GraphPools {
 public:
  explicit GraphPools(c10::DeviceIndex device) : device_(device) {}
  std::shared_ptr<const GraphPool> current();

 private:
  c10::DeviceIndex device_;
  c10::MempoolId_t host_ = at::cuda::MemPool::graph_pool_handle();
  std::weak_ptr<const GraphPool> pool_;
};

/// One graph's share of the pool: device memory, and the page-locked host memory that its copies read. The pool keeps
/// it until this object is destroyed, however a recording ended.
class GraphMemory {
 public:
  explicit GraphMemory(std::shared_ptr<const GraphPool> pool);
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  /// Allocations by streams of this capture come from the pool, until `close`.
  void open(c10::CaptureId_t capture);
  void close();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace reviewkd::cuda
