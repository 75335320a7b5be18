#include "cuda/recording/streams.h"

#include <cuda_runtime_api.h>

#include <algorithm>

namespace reviewkd::recording {

Live& live() {
  static Live counts;
  return counts;
}

Stream& stream_of(cudaStream_t handle) {
  static Stream legacy, per_thread{next_id(), cudaStreamDefault, 0, nullptr, {}};
  if (handle == nullptr || handle == cudaStreamLegacy) return legacy;
  return handle == cudaStreamPerThread ? per_thread : *reinterpret_cast<Stream*>(handle);
}

void invalidate(Stream& stream) {
  if (stream.capture) stream.capture->is_invalid = true;
}

cudaError_t submit(cudaStream_t handle, Work work) {
  Stream& stream = stream_of(handle);
  const bool is_capturing = stream.capture != nullptr;
  cudaError_t error = injected_failure(work.call, is_capturing);
  if (error != cudaSuccess) invalidate(stream);
  else if (is_capturing && stream.capture->is_invalid) error = cudaErrorStreamCaptureInvalidated;
  else if (stream.id == 0) error = check_legacy_stream();
  Line line(work.call);
  line.text("kind", work.kind).text("name", work.name).number("stream", stream.id);
  if (work.bytes > 0) line.number("bytes", work.bytes);
  if (work.grid.x > 0)
    line.numbers("grid", {work.grid.x, work.grid.y, work.grid.z})
        .numbers("block", {work.block.x, work.block.y, work.block.z});
  if (is_capturing) line.number("capture", stream.capture->id);
  line.error(error);
  if (error != cudaSuccess) return returned(error);
  if (!is_capturing) {
    if (work.execute) work.execute();
    return cudaSuccess;
  }
  auto node = std::make_unique<Node>(Node{std::move(work), stream.leaves});
  stream.leaves = {node.get()};
  stream.capture->graph->nodes.push_back(std::move(node));
  return cudaSuccess;
}

bool submit_for_library(cudaStream_t stream, Work work) {
  if (submit(stream, std::move(work)) == cudaSuccess) return true;
  cudaGetLastError();
  return false;
}

}  // namespace reviewkd::recording

using namespace reviewkd::recording;

namespace {

Event& event_of(cudaEvent_t handle) { return *reinterpret_cast<Event*>(handle); }

cudaError_t create(cudaStream_t* handle, unsigned flags, int priority) {
  const RuntimeLock lock(runtime_mutex());
  auto* stream = new Stream{next_id(), flags, priority, nullptr, {}};
  ++live().streams;
  Line("cudaStreamCreate").number("stream", stream->id).number("flags", flags).number("priority", priority);
  *handle = reinterpret_cast<cudaStream_t>(stream);
  return cudaSuccess;
}

/// Waiting for a stream, or querying whether it is done: not allowed on a capturing stream.
cudaError_t wait(const char* call, cudaStream_t handle) {
  const RuntimeLock lock(runtime_mutex());
  Stream& stream = stream_of(handle);
  cudaError_t error = injected_failure(call, stream.capture != nullptr);
  if (error == cudaSuccess && stream.capture) {
    error = stream.capture->is_invalid ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnsupported;
    invalidate(stream);
  }
  Line(call).text("kind", "synchronize").number("stream", stream.id).error(error);
  return returned(error);
}

cudaError_t wait_event(const char* call, cudaEvent_t handle) {
  const RuntimeLock lock(runtime_mutex());
  Event& event = event_of(handle);
  cudaError_t error = injected_failure(call, false);
  if (error == cudaSuccess && event.capture) {
    error = cudaErrorCapturedEvent;
    if (!event.capture->has_ended) event.capture->is_invalid = true;
  }
  if (error == cudaSuccess) error = check_unsafe_call(call);
  Line(call).text("kind", call == std::string_view("cudaEventSynchronize") ? "synchronize" : "query").error(error);
  return returned(error);
}

void add_dependencies(std::vector<Node*>& to, const std::vector<Node*>& from) {
  for (Node* node : from) {
    if (std::find(to.begin(), to.end(), node) == to.end()) to.push_back(node);
  }
}

/// The error of making `stream` wait for `event`.
cudaError_t wait_for(Stream& stream, Event& event) {
  if (!event.is_recorded) return cudaSuccess;
  if (event.capture && event.capture->has_ended) return cudaErrorCapturedEvent;
  if (!event.capture) {
    if (!stream.capture) return cudaSuccess;
    invalidate(stream);
    return cudaErrorStreamCaptureIsolation;
  }
  if (event.capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream.capture && stream.capture != event.capture) {
    invalidate(stream);
    event.capture->is_invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (stream.id == 0) {
    event.capture->is_invalid = true;
    return cudaErrorStreamCaptureImplicit;
  }
  if (!stream.capture) {
    stream.capture = event.capture;
    stream.capture->members.push_back(&stream);
    stream.leaves.clear();
  }
  add_dependencies(stream.leaves, event.leaves);
  return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return create(stream, cudaStreamDefault, 0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) { return create(stream, flags, 0); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return create(stream, flags, priority);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const RuntimeLock lock(runtime_mutex());
  Stream& stream = stream_of(handle);
  if (stream.id == 0) return returned(cudaErrorInvalidResourceHandle);
  Line line("cudaStreamDestroy");
  line.number("stream", stream.id);
  if (stream.capture) {
    // The capture loses its stream: it can no longer be ended.
    line.number("capture", stream.capture->id);
    stream.capture->is_invalid = true;
    auto& members = stream.capture->members;
    members.erase(std::remove(members.begin(), members.end(), &stream), members.end());
  }
  --live().streams;
  delete &stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return wait("cudaStreamSynchronize", stream); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return wait("cudaStreamQuery", stream); }

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned) {
  const RuntimeLock lock(runtime_mutex());
  if (const cudaError_t error = injected_failure("cudaEventCreateWithFlags", false)) return returned(error);
  ++live().events;
  *handle = reinterpret_cast<cudaEvent_t>(new Event{next_id(), false, nullptr, {}});
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const RuntimeLock lock(runtime_mutex());
  if (event == nullptr) return returned(cudaErrorInvalidResourceHandle);
  --live().events;
  delete &event_of(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t handle, cudaStream_t stream_handle, unsigned) {
  const RuntimeLock lock(runtime_mutex());
  Stream& stream = stream_of(stream_handle);
  Event& event = event_of(handle);
  cudaError_t error = injected_failure("cudaEventRecord", stream.capture != nullptr);
  if (error != cudaSuccess) invalidate(stream);
  else if (stream.capture && stream.capture->is_invalid) error = cudaErrorStreamCaptureInvalidated;
  if (error == cudaSuccess) event = Event{event.id, true, stream.capture, stream.leaves};
  Line line("cudaEventRecord");
  line.text("kind", "order").number("stream", stream.id).number("event", event.id).error(error);
  if (stream.capture) line.number("capture", stream.capture->id);
  return returned(error);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t handle, unsigned) {
  const RuntimeLock lock(runtime_mutex());
  Stream& stream = stream_of(stream_handle);
  cudaError_t error = injected_failure("cudaStreamWaitEvent", stream.capture != nullptr);
  if (error != cudaSuccess) invalidate(stream);
  else if (stream.capture && stream.capture->is_invalid) error = cudaErrorStreamCaptureInvalidated;
  else error = wait_for(stream, event_of(handle));
  Line line("cudaStreamWaitEvent");
  line.text("kind", "order").number("stream", stream.id).number("event", event_of(handle).id).error(error);
  if (stream.capture) line.number("capture", stream.capture->id);
  return returned(error);
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return wait_event("cudaEventQuery", event); }
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return wait_event("cudaEventSynchronize", event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1.0f;
  return cudaSuccess;
}

}  // extern "C"
