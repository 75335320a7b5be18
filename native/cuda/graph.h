#pragma once
// Recorded work: at::cuda::CUDAGraph in a pool that a session's graphs share, with a way back where a recording fails.

#include <ATen/cuda/CUDAGraph.h>

#include <c10/cuda/CUDAStream.h>

#include <memory>
#include <utility>

namespace reviewkd::cuda {

/// The name of the memory that graphs share.
struct GraphPool {
  c10::DeviceIndex device;
  at::cuda::MempoolId_t id = at::cuda::graph_pool_handle();
};

struct RecordedGraph {
  std::shared_ptr<const GraphPool> pool;
  c10::cuda::CUDAStream stream;  // that it was recorded on and is replayed on
  at::cuda::CUDAGraph graph;

  RecordedGraph(std::shared_ptr<const GraphPool> pool, c10::cuda::CUDAStream stream) : pool(std::move(pool)), stream(stream) {}
};

/// The graphs of one session share their memory: they are replayed one after the other, and tensors that outlive a recording keep their blocks. libtorch
/// forgets a pool with its last graph; the next one then begins another.
class GraphPools {
 public:
  explicit GraphPools(c10::DeviceIndex device) : device_(device) {}
  std::shared_ptr<const GraphPool> current();

 private:
  c10::DeviceIndex device_;
  std::weak_ptr<const GraphPool> pool_;
};

/// A graph of the work that work(argument) gives to the current stream. Throws what work throws, or the reason why it cannot be recorded; stream and
/// allocator are then as before. One recording at a time: those of libtorch 2.11 share the state of the default generator.
std::unique_ptr<RecordedGraph> record_graph(GraphPools& pools, void (*work)(void*), void* argument);

/// Waits until the graph is no longer at work, as it keeps its memory until then, and not while another is recorded: it unregisters from the generator that
/// they share.
void destroy_graph(std::unique_ptr<RecordedGraph> graph);

}  // namespace reviewkd::cuda
