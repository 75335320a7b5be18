#include "cuda/streams/graph.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include <mutex>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

namespace reviewkd::cuda {
namespace {

namespace Allocator = c10::cuda::CUDACachingAllocator;
using c10::cuda::CUDAStream;

constexpr const char* kInvalidated =
    "CUDA aborted the recording: a call failed, or is not allowed during stream capture";

struct DestroyGraph {
  void operator()(cudaGraph_t graph) const { static_cast<void>(cudaGraphDestroy(graph)); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, DestroyGraph>;

/// From 2.13 on, libtorch's allocator counts the captures in progress.
enum class CaptureState { kBegins, kEnds };
template <typename CudaAllocator>
void announce(CudaAllocator& allocator, c10::DeviceIndex device, CaptureState state) {
  if constexpr (requires { allocator.markCaptureBegin(device); }) {
    if (state == CaptureState::kBegins) {
      allocator.markCaptureBegin(device);
    } else {
      allocator.markCaptureEnd(device);
    }
  }
}

/// A stream that is being captured. An exception ends the capture and discards what was captured.
class StreamCapture {
 public:
  explicit StreamCapture(CUDAStream stream) : stream_(stream) {
    announce(*Allocator::get(), stream_.device_index(), CaptureState::kBegins);
    // Other threads of the process, including other sessions, continue their work.
    const cudaError_t error = cudaStreamBeginCapture(stream_.stream(), cudaStreamCaptureModeThreadLocal);
    if (error != cudaSuccess) announce(*Allocator::get(), stream_.device_index(), CaptureState::kEnds);
    C10_CUDA_CHECK(error);
    is_open_ = true;
  }

  StreamCapture(const StreamCapture&) = delete;
  StreamCapture& operator=(const StreamCapture&) = delete;

  ~StreamCapture() {
    Graph graph;
    // The reason of the failure is already known; CUDA's error adds nothing.
    if (is_open_ && close(graph) != cudaSuccess) static_cast<void>(cudaGetLastError());
  }

  c10::CaptureId_t id() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    unsigned long long id = 0;
    C10_CUDA_CHECK(cudaStreamGetCaptureInfo(stream_.stream(), &status, &id));
    if (status != cudaStreamCaptureStatusActive) throw std::runtime_error(kInvalidated);
    return id;
  }

  bool is_invalidated() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    return cudaStreamIsCapturing(stream_.stream(), &status) == cudaSuccess &&
           status == cudaStreamCaptureStatusInvalidated;
  }

  Graph end() {
    Graph graph;
    C10_CUDA_CHECK(close(graph));
    return graph;
  }

 private:
  cudaError_t close(Graph& graph) {
    is_open_ = false;
    cudaGraph_t captured = nullptr;
    const cudaError_t error = cudaStreamEndCapture(stream_.stream(), &captured);
    graph.reset(captured);
    announce(*Allocator::get(), stream_.device_index(), CaptureState::kEnds);
    return error;
  }

  CUDAStream stream_;
  bool is_open_ = false;
};

}  // namespace

RecordedGraph::RecordedGraph(std::shared_ptr<const GraphPool> pool, CUDAStream stream, void (*work)(void*),
                             void* argument)
    : stream_(stream), memory_(std::move(pool)) {
  StreamCapture capture(stream);
  memory_.open(capture.id());
  try {
    work(argument);
  } catch (const c10::Error& error) {
    // From 2.13 on, libtorch's allocator raises an assertion for a capture that CUDA has aborted, hiding the call's
    // own error.
    if (std::string_view(error.what_without_backtrace()).find("INTERNAL ASSERT") == std::string_view::npos ||
        !capture.is_invalidated())
      throw;
    throw std::runtime_error(kInvalidated);
  }
  const Graph graph = capture.end();
  memory_.close();
  // As libtorch does: for its allocator in the mode that leaves memory to CUDA, and for streams with priorities.
  constexpr unsigned flags = cudaGraphInstantiateFlagAutoFreeOnLaunch | cudaGraphInstantiateFlagUseNodePriority;
  C10_CUDA_CHECK(cudaGraphInstantiateWithFlags(&exec_, graph.get(), flags));
}

RecordedGraph::~RecordedGraph() {
  // Synchronizes only its own stream: waiting for the whole device would break the recording of another thread. After
  // a device error no work is running any more.
  static_cast<void>(cudaStreamSynchronize(stream_.stream()));
  static_cast<void>(cudaGraphExecDestroy(exec_));
  static_cast<void>(cudaGetLastError());
}

void RecordedGraph::replay() const {
  const c10::cuda::CUDAGuard device(stream_.device_index());
  C10_CUDA_CHECK(cudaGraphLaunch(exec_, stream_.stream()));
}

std::unique_ptr<RecordedGraph> record_graph(GraphPools& pools, void (*work)(void*), void* argument) {
  static std::mutex mutex;
  const std::lock_guard one_at_a_time(mutex);
  // Frees the memory of steps that were not recorded: the pool needs as much.
  Allocator::emptyCache();
  try {
    return std::make_unique<RecordedGraph>(pools.current(), c10::cuda::getCurrentCUDAStream(), work, argument);
  } catch (...) {
    static_cast<void>(cudaGetLastError());
    // A failed allocation may have left the rest of the device's memory in the pool.
    Allocator::emptyCache();
    throw;
  }
}

}  // namespace reviewkd::cuda
