#pragma once
// The memory of recorded work: a pool of libtorch's allocators that the graphs of one session share.

#include <ATen/cuda/MemPool.h>

#include <memory>

namespace reviewkd::cuda {

/// The names of the memory that graphs share: of the device, and page-locked of the host.
struct GraphPool {
  c10::DeviceIndex device;
  c10::MempoolId_t host;
  c10::MempoolId_t id = at::cuda::MemPool::graph_pool_handle();
};

/// The graphs of one session share their memory: they are replayed one after the other, and tensors that outlive a recording keep their blocks. libtorch
/// forgets the device's part of a pool with its last graph, and the next one then begins another; it never forgets the host's, so that there is one for all.
class GraphPools {
 public:
  explicit GraphPools(c10::DeviceIndex device) : device_(device) {}
  std::shared_ptr<const GraphPool> current();

 private:
  c10::DeviceIndex device_;
  c10::MempoolId_t host_ = at::cuda::MemPool::graph_pool_handle();
  std::weak_ptr<const GraphPool> pool_;
};

/// One graph's part in the pool: memory of the device, and the page-locked memory of the host that its copies read. The pool keeps it until the end of this,
/// whichever way a recording ended.
class GraphMemory {
 public:
  explicit GraphMemory(std::shared_ptr<const GraphPool> pool);
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  /// What streams of this capture allocate comes from the pool, until `close`.
  void open(c10::CaptureId_t capture);
  void close();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace reviewkd::cuda
