#pragma once
// Recorded work: at::cuda::CUDAGraph in a pool that a session's graphs share, with a way back where a recording fails.

#include <ATen/cuda/CUDAGraph.h>

#include <memory>

namespace reviewkd::cuda {

/// The memory that the graphs of one session share: they are replayed one after the other, and tensors that outlive a recording keep their blocks.
class GraphPool {
 public:
  explicit GraphPool(c10::DeviceIndex device) : device_(device), id_(at::cuda::graph_pool_handle()) {}

  c10::DeviceIndex device() const { return device_; }
  at::cuda::MempoolId_t id() const { return id_; }

 private:
  c10::DeviceIndex device_;
  at::cuda::MempoolId_t id_;
};

/// A graph of the work that work(argument) gives to the current stream. Throws what work throws, or the reason why it cannot be recorded; stream and
/// allocator are then as before. One recording at a time: those of libtorch 2.11 share the state of the default generator.
std::unique_ptr<at::cuda::CUDAGraph> record_graph(const GraphPool& pool, void (*work)(void*), void* argument);

}  // namespace reviewkd::cuda
