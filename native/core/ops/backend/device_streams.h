#pragma once
// Owners of a device's streams and graphs (kernel_backend.h). Everything here is a no-op without such a device.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::ops {

/// Two streams, used by one thread at a time.
class DeviceStreams {
 public:
  /// Null if the kernel backend has no streams.
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

/// While alive, this thread's work goes to these streams; no effect if null or if nested in a scope of the same
/// streams.
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

/// Work on the second of this thread's streams, concurrent with later work on the first. Its results may be read
/// after `join`, which the destructor calls at the latest, and may be released once this thread has begun other side
/// work or left the streams.
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

/// Work that is recorded once and executed on each `replay`, on the same memory. Recorded and replayed inside a
/// StreamsScope.
class DeviceGraph {
 public:
  /// Records the work that `work` submits to this thread's streams. Rethrows exceptions of `work` and throws if it
  /// cannot be recorded. The graph keeps `work`.
  static std::unique_ptr<DeviceGraph> record(const DeviceStreams& streams, std::function<void()> work);

  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void replay() const { backend_.replay(graph_); }

 private:
  explicit DeviceGraph(const KernelBackend& backend, std::function<void()> work)
      : backend_(backend), work_(std::move(work)) {}

  const KernelBackend& backend_;
  std::function<void()> work_;
  void* graph_ = nullptr;
  std::vector<at::Tensor> kept_;
};

/// Whether this thread's work is being recorded instead of executed: its results cannot be read before a replay.
bool is_recording();

/// A graph being recorded on this thread reads this tensor, which its owner may release: from now on the graph holds
/// it, too.
void keep_for_graph(const at::Tensor& tensor);

}  // namespace reviewkd::ops
