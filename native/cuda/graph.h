#pragma once
// Recorded work, and a way back where a recording fails.

#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <memory>

#include "cuda/graph_memory.h"

namespace reviewkd::cuda {

/// Work that was recorded from a stream. Not at::cuda::CUDAGraph: until libtorch 2.13 one whose recording fails leaves behind, in the allocators, what differs
/// from version to version, and it registers with the random generator of the device, which nothing here uses.
class RecordedGraph {
 public:
  /// Records what work(argument) gives to the stream, which is the current one. Throws what `work` throws, or what CUDA refuses.
  RecordedGraph(std::shared_ptr<const GraphPool> pool, c10::cuda::CUDAStream stream, void (*work)(void*), void* argument);
  /// Waits until it is no longer at work, as its memory is freed.
  ~RecordedGraph();
  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;

  /// Gives the work to the stream that it was recorded from.
  void replay() const;

 private:
  c10::cuda::CUDAStream stream_;
  GraphMemory memory_;
  cudaGraphExec_t exec_ = nullptr;
};

/// Records from the current stream. Throws what work throws, or the reason why it cannot be recorded; stream and allocators are then as before. One recording
/// of the process at a time: it begins by giving freed memory back to the device, which libtorch 2.11 and 2.12 refuse while another thread records.
std::unique_ptr<RecordedGraph> record_graph(GraphPools& pools, void (*work)(void*), void* argument);

}  // namespace reviewkd::cuda
