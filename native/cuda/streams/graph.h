#pragma once
// Recorded work, with cleanup if a recording fails.

#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <memory>

#include "cuda/streams/graph_memory.h"

namespace reviewkd::cuda {

/// Work recorded from a stream. Not at::cuda::CUDAGraph: until libtorch 2.13, a failed recording leaves
/// version-dependent state in the allocators, and it registers with the device's random generator, which is not used
/// here.
class RecordedGraph {
 public:
  /// Records the work that work(argument) submits to the stream, which is the current one. Rethrows exceptions of
  /// `work` and throws CUDA's error if the work cannot be recorded.
  RecordedGraph(std::shared_ptr<const GraphPool> pool, c10::cuda::CUDAStream stream, void (*work)(void*),
                void* argument);
  /// Waits until the graph is no longer running, because its memory is freed.
  ~RecordedGraph();
  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;

  /// Submits the work to the stream that it was recorded from.
  void replay() const;

 private:
  c10::cuda::CUDAStream stream_;
  GraphMemory memory_;
  cudaGraphExec_t exec_ = nullptr;
};

/// Records from the current stream. Rethrows exceptions of `work`, or throws the reason why it cannot be recorded;
/// stream and allocators are then restored. One recording at a time per process: it begins by returning freed memory
/// to the device, which libtorch 2.11 and 2.12 reject while another thread records.
std::unique_ptr<RecordedGraph> record_graph(GraphPools& pools, void (*work)(void*), void* argument);

}  // namespace reviewkd::cuda
