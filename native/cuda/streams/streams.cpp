#include "cuda/streams/streams.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "cuda/kernels.h"
#include "cuda/streams/graph.h"

/// Declared here because libtorch's header requires those of NVIDIA's libraries. 2.11 does not define it and keeps
/// cuBLAS's workspaces.
namespace at::cuda {
__attribute__((weak)) void clearCublasWorkspacesForStream(cudaStream_t stream);
}

namespace reviewkd::cuda {
namespace {

using c10::cuda::CUDAStream;

class Event {
 public:
  Event() { C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Orders later work of `waiting` after the work submitted so far to `done`.
  void order(const CUDAStream& done, const CUDAStream& waiting) const {
    C10_CUDA_CHECK(cudaEventRecord(event_, done.stream()));
    C10_CUDA_CHECK(cudaStreamWaitEvent(waiting.stream(), event_, 0));
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// The counters of each stream that has run one of our kernels; there are few streams, and they are never destroyed.
class Counters {
 public:
  uint32_t* of(cudaStream_t stream, c10::DeviceIndex device) {
    const std::lock_guard lock(mutex_);
    uint32_t*& counters = counters_[{device, stream}];
    if (counters != nullptr) return counters;
    // Cannot be recorded: a session's streams get theirs on creation.
    void* memory = nullptr;
    C10_CUDA_CHECK(cudaMalloc(&memory, kMostGroups * sizeof(uint32_t)));
    C10_CUDA_CHECK(cudaMemsetAsync(memory, 0, kMostGroups * sizeof(uint32_t), stream));
    counters = static_cast<uint32_t*>(memory);
    return counters;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<c10::DeviceIndex, cudaStream_t>, uint32_t*> counters_;
};

/// Never destroyed: the driver may shut down before static objects are destroyed.
Counters& stream_counters() {
  static auto* counters = new Counters();
  return *counters;
}

CUDAStream new_stream(c10::DeviceIndex device) {
  cudaStream_t stream = nullptr;
  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  stream_counters().of(stream, device);
  return c10::cuda::getStreamFromExternal(stream, device);
}

/// Frees cuBLAS's workspaces for the stream, 32 MiB per thread that used it. Graphs read them, so none of the
/// stream's graphs may exist any more.
void clear_workspaces(const CUDAStream& stream) {
  if (at::cuda::clearCublasWorkspacesForStream != nullptr) at::cuda::clearCublasWorkspacesForStream(stream.stream());
}

/// Two dedicated streams: libtorch hands out its 32 streams round-robin, so that sessions would share them and one
/// would record the work of another.
struct Context {
  c10::DeviceIndex device = c10::cuda::current_device();
  CUDAStream main = new_stream(device);
  CUDAStream side = new_stream(device);
  std::optional<CUDAStream> outer;  // the thread's previous stream, restored by `leave`
  Event entered, begun, joined;
  GraphPools pools{device};
};

/// Contexts available for reuse. libtorch's allocator caches freed blocks per stream, so that the next session reuses
/// the memory of the last.
class FreeContexts {
 public:
  std::unique_ptr<Context> take(c10::DeviceIndex device) {
    const std::lock_guard lock(mutex_);
    for (auto it = contexts_.begin(); it != contexts_.end(); ++it) {
      if ((*it)->device != device) continue;
      auto context = std::move(*it);
      contexts_.erase(it);
      return context;
    }
    return nullptr;
  }

  void give(std::unique_ptr<Context> context) {
    const std::lock_guard lock(mutex_);
    contexts_.push_back(std::move(context));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> contexts_;
};

FreeContexts& free_contexts() {
  static auto* contexts = new FreeContexts();
  return *contexts;
}

Context& of(void* context) { return *static_cast<Context*>(context); }

void* create_context() {
  auto context = free_contexts().take(c10::cuda::current_device());
  return context ? context.release() : new Context();
}

void destroy_context(void* context) {
  std::unique_ptr<Context> owned(static_cast<Context*>(context));
  // After a device error the streams are useless to another session.
  if (cudaStreamSynchronize(owned->side.stream()) != cudaSuccess ||
      cudaStreamSynchronize(owned->main.stream()) != cudaSuccess)
    return;
  for (const CUDAStream& stream : {owned->side, owned->main}) clear_workspaces(stream);
  owned->outer.reset();
  free_contexts().give(std::move(owned));
}

void enter(void* context) {
  Context& streams = of(context);
  const CUDAStream outer = c10::cuda::getCurrentCUDAStream(streams.device);
  streams.entered.order(outer, streams.main);
  streams.outer = outer;
  c10::cuda::setCurrentCUDAStream(streams.main);
}

void leave(void* context) { c10::cuda::setCurrentCUDAStream(*of(context).outer); }

void begin_side(void* context) {
  of(context).begun.order(of(context).main, of(context).side);
  c10::cuda::setCurrentCUDAStream(of(context).side);
}

void end_side(void* context) { c10::cuda::setCurrentCUDAStream(of(context).main); }

void join(void* context) { of(context).joined.order(of(context).side, of(context).main); }

void* record(void* context, void (*work)(void*), void* argument) {
  return record_graph(of(context).pools, work, argument).release();
}
void replay(void* graph) { static_cast<RecordedGraph*>(graph)->replay(); }
void destroy_graph(void* graph) { delete static_cast<RecordedGraph*>(graph); }

}  // namespace

Stream current_stream() {
  const CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  return {stream.stream(), stream_counters().of(stream.stream(), stream.device_index())};
}

void add_streams_and_graphs(ops::KernelBackend& table) {
  table.create_context = &create_context;
  table.destroy_context = &destroy_context;
  table.enter = &enter;
  table.leave = &leave;
  table.begin_side = &begin_side;
  table.end_side = &end_side;
  table.join = &join;
  table.record = &record;
  table.replay = &replay;
  table.destroy_graph = &destroy_graph;
}

}  // namespace reviewkd::cuda
