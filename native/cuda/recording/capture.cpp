// Capture of streams into graphs, with the errors of the real runtime: see "Stream Capture" in NVIDIA's CUDA
// programming guide.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <map>
#include <set>

#include "cuda/recording/streams.h"

namespace reviewkd::recording {
namespace {

std::vector<std::shared_ptr<Capture>>& active() {
  static std::vector<std::shared_ptr<Capture>> captures;
  return captures;
}

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

/// Whether the stream on which the capture began waits for all forked work.
bool is_joined(const Capture& capture) {
  std::set<Node*> reached;
  std::vector<Node*> pending = capture.origin->leaves;
  while (!pending.empty()) {
    Node* node = pending.back();
    pending.pop_back();
    if (!reached.insert(node).second) continue;
    pending.insert(pending.end(), node->dependencies.begin(), node->dependencies.end());
  }
  for (const Stream* stream : capture.members) {
    for (Node* leaf : stream->leaves) {
      if (reached.count(leaf) == 0) return false;
    }
  }
  return true;
}

/// Ends a capture in any state; its streams are free afterwards.
void release(const std::shared_ptr<Capture>& capture) {
  capture->has_ended = true;
  for (Stream* stream : capture->members) {
    stream->capture.reset();
    stream->leaves.clear();
  }
  active().erase(std::remove(active().begin(), active().end(), capture), active().end());
  --live().captures;
}

/// Invalidates the captures that a call disturbs, and returns its error.
template <typename Disturbs>
cudaError_t invalidate_where(const char* call, const Disturbs& disturbs) {
  cudaError_t error = cudaSuccess;
  for (const auto& capture : active()) {
    if (!disturbs(*capture)) continue;
    capture->is_invalid = true;
    error = cudaErrorStreamCaptureUnsupported;
    Line("unsafe call during capture").text("name", call).number("capture", capture->id);
  }
  return error;
}

}  // namespace

cudaError_t check_unsafe_call(const char* call) {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  const auto self = std::this_thread::get_id();
  return invalidate_where(call, [&](const Capture& capture) {
    const bool is_own = capture.thread == self && capture.mode != cudaStreamCaptureModeRelaxed;
    const bool is_others = thread_mode == cudaStreamCaptureModeGlobal && capture.mode == cudaStreamCaptureModeGlobal;
    return is_own || is_others;
  });
}

cudaError_t check_device_wait(const char* call) {
  return invalidate_where(call, [](const Capture&) { return true; });
}

cudaError_t check_legacy_stream() {
  for (const auto& capture : active()) {
    for (const Stream* stream : capture->members) {
      if ((stream->flags & cudaStreamNonBlocking) != 0) continue;
      capture->is_invalid = true;
      return cudaErrorStreamCaptureImplicit;
    }
  }
  return cudaSuccess;
}

}  // namespace reviewkd::recording

using namespace reviewkd::recording;

namespace {

Graph& graph_of(cudaGraph_t handle) { return *reinterpret_cast<Graph*>(handle); }
GraphExec& exec_of(cudaGraphExec_t handle) { return *reinterpret_cast<GraphExec*>(handle); }

struct UserObject {
  void* value;
  cudaHostFn_t destroy;
  ~UserObject() { destroy(value); }
};

/// References held by a caller.
std::map<cudaUserObject_t, std::shared_ptr<void>>& held_objects() {
  static std::map<cudaUserObject_t, std::shared_ptr<void>> objects;
  return objects;
}

cudaError_t begin(Stream& stream, cudaStreamCaptureMode mode) {
  if (stream.id == 0) return cudaErrorStreamCaptureUnsupported;
  if (stream.capture) return cudaErrorIllegalState;
  auto capture = std::make_shared<Capture>();
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = &stream;
  capture->members = {&stream};
  stream.capture = capture;
  stream.leaves.clear();
  active().push_back(capture);
  ++live().captures;
  return cudaSuccess;
}

cudaError_t end(Stream& stream, bool is_failing, cudaGraph_t* graph) {
  const std::shared_ptr<Capture> capture = stream.capture;
  if (!capture) return cudaErrorIllegalState;
  if (capture->origin != &stream) {
    capture->is_invalid = true;
    return cudaErrorStreamCaptureUnmatched;
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
    return cudaErrorStreamCaptureWrongThread;
  const bool joined = is_joined(*capture);
  release(capture);
  if (is_failing) return cudaSuccess;
  if (capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
  if (!joined) return cudaErrorStreamCaptureUnjoined;
  ++live().graphs;
  *graph = reinterpret_cast<cudaGraph_t>(capture->graph.release());
  return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const RuntimeLock lock(runtime_mutex());
  Stream& stream = stream_of(handle);
  cudaError_t error = injected_failure("cudaStreamBeginCapture", false);
  if (error == cudaSuccess) error = begin(stream, mode);
  Line line("cudaStreamBeginCapture");
  line.number("stream", stream.id).number("mode", mode).error(error);
  if (error == cudaSuccess) line.number("capture", stream.capture->id);
  return returned(error);
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const RuntimeLock lock(runtime_mutex());
  Stream& stream = stream_of(handle);
  if (stream.capture) *graph = nullptr;
  const int64_t id = stream.capture ? stream.capture->id : 0;
  const cudaError_t injected = injected_failure("cudaStreamEndCapture", stream.capture != nullptr);
  const cudaError_t ended = end(stream, injected != cudaSuccess, graph);
  const cudaError_t error = injected != cudaSuccess ? injected : ended;
  Line line("cudaStreamEndCapture");
  line.number("stream", stream.id).number("capture", id).error(error);
  if (error == cudaSuccess)
    line.number("graph", graph_of(*graph).id).number("nodes", static_cast<int64_t>(graph_of(*graph).nodes.size()));
  return returned(error);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const RuntimeLock lock(runtime_mutex());
  return cudaStreamGetCaptureInfo(handle, status, nullptr, nullptr, nullptr, nullptr, nullptr);
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  const RuntimeLock lock(runtime_mutex());
  const Stream& stream = stream_of(handle);
  *status = cudaStreamCaptureStatusNone;
  if (!stream.capture) {
    return stream.id == 0 ? returned(check_legacy_stream()) : cudaSuccess;
  }
  *status = stream.capture->is_invalid ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  if (id != nullptr) *id = static_cast<unsigned long long>(stream.capture->id);
  if (graph != nullptr) *graph = reinterpret_cast<cudaGraph_t>(stream.capture->graph.get());
  if (dependencies != nullptr) *dependencies = reinterpret_cast<const cudaGraphNode_t*>(stream.leaves.data());
  if (edges != nullptr) *edges = nullptr;
  if (count != nullptr) *count = stream.leaves.size();
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, size_t* count) {
  const RuntimeLock lock(runtime_mutex());
  const Graph& graph = graph_of(handle);
  for (size_t k = 0; nodes != nullptr && k < std::min(*count, graph.nodes.size()); ++k)
    nodes[k] = reinterpret_cast<cudaGraphNode_t>(graph.nodes[k].get());
  *count = graph.nodes.size();
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const RuntimeLock lock(runtime_mutex());
  if (graph == nullptr) return returned(cudaErrorInvalidValue);
  Line("cudaGraphDestroy").number("graph", graph_of(graph).id);
  --live().graphs;
  delete &graph_of(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* handle, cudaGraph_t graph_handle, unsigned long long) {
  const RuntimeLock lock(runtime_mutex());
  if (graph_handle == nullptr) return returned(cudaErrorInvalidValue);
  const Graph& graph = graph_of(graph_handle);
  const cudaError_t error = injected_failure("cudaGraphInstantiate", false);
  Line line("cudaGraphInstantiate");
  line.number("graph", graph.id).error(error);
  if (error != cudaSuccess) return returned(error);
  auto* exec = new GraphExec();
  for (const auto& node : graph.nodes) exec->works.push_back(node->work);
  exec->user_objects = graph.user_objects;
  line.number("exec", exec->id).number("nodes", static_cast<int64_t>(exec->works.size()));
  ++live().graph_execs;
  *handle = reinterpret_cast<cudaGraphExec_t>(exec);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  if (handle == nullptr) return returned(cudaErrorInvalidValue);
  const GraphExec& exec = exec_of(handle);
  Work work{"cudaGraphLaunch", "graph", "exec " + std::to_string(exec.id), 0, {0, 0, 0}, {0, 0, 0}, {}};
  work.execute = [works = exec.works] {
    for (const Work& each : works) {
      if (each.execute) each.execute();
    }
  };
  return submit(stream, std::move(work));
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  const RuntimeLock lock(runtime_mutex());
  if (handle == nullptr) return returned(cudaErrorInvalidValue);
  const cudaError_t error = check_unsafe_call("cudaGraphExecDestroy");
  Line("cudaGraphExecDestroy").number("exec", exec_of(handle).id).error(error);
  --live().graph_execs;
  delete &exec_of(handle);
  return returned(error);
}

cudaError_t cudaUserObjectCreate(cudaUserObject_t* handle, void* value, cudaHostFn_t destroy, unsigned, unsigned) {
  const RuntimeLock lock(runtime_mutex());
  const std::shared_ptr<UserObject> object(new UserObject{value, destroy});
  *handle = reinterpret_cast<cudaUserObject_t>(object.get());
  held_objects()[*handle] = object;
  return cudaSuccess;
}

cudaError_t cudaUserObjectRelease(cudaUserObject_t handle, unsigned) {
  const RuntimeLock lock(runtime_mutex());
  held_objects().erase(handle);
  return cudaSuccess;
}

cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t handle, unsigned, unsigned flags) {
  const RuntimeLock lock(runtime_mutex());
  const auto found = held_objects().find(handle);
  if (found == held_objects().end()) return returned(cudaErrorInvalidValue);
  graph_of(graph).user_objects.push_back(found->second);
  if ((flags & cudaGraphUserObjectMove) != 0) held_objects().erase(found);
  return cudaSuccess;
}

}  // extern "C"
