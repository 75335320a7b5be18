#pragma once
// Streams, events, captures and graphs. Work is executed on submission, or becomes a graph node if its stream is
// capturing.

#include <driver_types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cuda/recording/recorder.h"

namespace reviewkd::recording {

/// A kernel, a copy, a memset.
struct Work {
  std::string call;  // the function that submitted it
  std::string kind;  // "kernel", "copy", "memset", "graph"
  std::string name;  // of a kernel or library call; "DtoH" of a copy
  int64_t bytes = 0;
  dim3 grid{0, 0, 0}, block{0, 0, 0};
  std::function<void()> execute;  // may be empty
};

struct Node {
  Work work;
  std::vector<Node*> dependencies;
};

struct Graph {
  int64_t id = next_id();
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::shared_ptr<void>> user_objects;
};

struct GraphExec {
  int64_t id = next_id();
  std::vector<Work> works;
  std::vector<std::shared_ptr<void>> user_objects;
};

struct Stream;

struct Capture {
  int64_t id = next_id();
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  Stream* origin;
  std::vector<Stream*> members;
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  bool is_invalid = false;
  bool has_ended = false;
};

struct Stream {
  int64_t id = 0;  // 0: the legacy default stream
  unsigned flags = 0;
  int priority = 0;
  std::shared_ptr<Capture> capture;
  std::vector<Node*> leaves;
};

struct Event {
  int64_t id = 0;
  bool is_recorded = false;
  std::shared_ptr<Capture> capture;
  std::vector<Node*> leaves;
};

/// Live objects, for reports.
struct Live {
  int64_t streams = 0, events = 0, graphs = 0, graph_execs = 0, captures = 0;
};
Live& live();

Stream& stream_of(cudaStream_t handle);

/// Executes the work, or adds it to the graph that its stream captures. Records it in both cases.
cudaError_t submit(cudaStream_t stream, Work work);

/// The same for a library, which reports failures through its own status and leaves no runtime error behind.
bool submit_for_library(cudaStream_t stream, Work work);

/// Checks a call that could wait for captured work, such as cudaMalloc: if it is not allowed now, it invalidates the
/// captures and returns their error.
cudaError_t check_unsafe_call(const char* call);

/// The same for a call that waits for the whole device, which is not allowed while any thread captures a stream.
cudaError_t check_device_wait(const char* call);

/// The error of work on the legacy default stream, which waits for all blocking streams, including capturing ones.
cudaError_t check_legacy_stream();

/// Invalidates the stream's capture.
void invalidate(Stream& stream);

}  // namespace reviewkd::recording
