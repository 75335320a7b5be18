#pragma once
// Streams and graphs of a device, as accelerator.h has them, owned. Everything here does nothing without such a device.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::ops {

/// Two streams, for the work of one thread at a time.
class DeviceStreams {
 public:
  /// None if the accelerator has no streams.
  static std::unique_ptr<DeviceStreams> create(const KernelBackend& backend);
  explicit DeviceStreams(const KernelBackend& backend) : backend_(backend), context_(backend.create_context()) {}
  ~DeviceStreams();
  DeviceStreams(const DeviceStreams&) = delete;
  DeviceStreams& operator=(const DeviceStreams&) = delete;

  const KernelBackend& backend() const { return backend_; }
  void* context() const { return context_; }

 private:
  const KernelBackend& backend_;
  void* context_;
};

/// While it lives, this thread's work goes to these streams; with none, or within another scope of the same, nothing changes.
class StreamsScope {
 public:
  explicit StreamsScope(const DeviceStreams* streams);
  ~StreamsScope();
  StreamsScope(const StreamsScope&) = delete;
  StreamsScope& operator=(const StreamsScope&) = delete;

 private:
  const DeviceStreams* outer_;
  const DeviceStreams* streams_;
};

/// Work on the second of this thread's streams, alongside what follows it on the first. What it makes may be read after `join`, which comes at the end of
/// the object's life at the latest, and may be released once this thread has begun other such work or left the streams.
class SideWork {
 public:
  SideWork();
  ~SideWork();
  SideWork(const SideWork&) = delete;
  SideWork& operator=(const SideWork&) = delete;

  template <typename Work>
  void run(const Work& work) {
    const Scope scope(*this);
    work();
  }

  /// Makes the first stream wait for the second.
  void join();

 private:
  class Scope {
   public:
    explicit Scope(SideWork& work);
    ~Scope();

   private:
    const DeviceStreams* streams_;
  };

  const DeviceStreams* streams_;
  bool is_open_ = false;
};

/// Work that was recorded once and is done as often as `replay` is called, on the same memory. Made and replayed inside of a StreamsScope.
class DeviceGraph {
 public:
  /// Records what `work` puts on this thread's streams. What it throws, and what cannot be recorded, is thrown. The graph keeps `work`.
  static std::unique_ptr<DeviceGraph> record(const DeviceStreams& streams, std::function<void()> work);

  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void replay() const { backend_.replay(graph_); }

 private:
  explicit DeviceGraph(const KernelBackend& backend, std::function<void()> work) : backend_(backend), work_(std::move(work)) {}

  const KernelBackend& backend_;
  std::function<void()> work_;
  void* graph_ = nullptr;
  std::vector<at::Tensor> kept_;
};

/// Whether this thread's work is recorded instead of done: nothing that it makes can be read before a replay.
bool is_recording();

/// A graph that is being recorded on this thread reads this tensor, which its owner may release: from here on the graph holds it, too.
void keep_for_graph(const at::Tensor& tensor);

}  // namespace reviewkd::ops
