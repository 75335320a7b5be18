#pragma once
// Streams and graphs of a device, as accelerator.h has them, owned. Everything here does nothing where there is no such device.

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/ops/accelerator.h"

namespace reviewkd::ops {

/// Two streams, for the work of one thread at a time.
class DeviceStreams {
 public:
  /// None where the accelerator has no streams.
  static std::unique_ptr<DeviceStreams> create(const Accelerator& accelerator);
  explicit DeviceStreams(const Accelerator& accelerator) : accelerator_(accelerator), context_(accelerator.create_context()) {}
  ~DeviceStreams() { accelerator_.destroy_context(context_); }
  DeviceStreams(const DeviceStreams&) = delete;
  DeviceStreams& operator=(const DeviceStreams&) = delete;

  const Accelerator& accelerator() const { return accelerator_; }
  void* context() const { return context_; }

 private:
  const Accelerator& accelerator_;
  void* context_;
};

/// While it lives, this thread's work goes to these streams; none: nothing changes.
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

/// While it lives, this thread's work goes beside what it was on, behind what that was given so far. What it makes may be read after
/// `join_beside`, and be let go of once this thread has been in another BesideScope or left the streams.
class BesideScope {
 public:
  BesideScope();
  ~BesideScope();
  BesideScope(const BesideScope&) = delete;
  BesideScope& operator=(const BesideScope&) = delete;

 private:
  const DeviceStreams* streams_;
};

void join_beside();

/// Work that was recorded once and is done as often as `replay` is called, on the same memory. Made inside of a StreamsScope.
class DeviceGraph {
 public:
  /// Records what `work` puts on this thread's streams. What it throws, and what cannot be recorded, is thrown.
  template <typename Work>
  static std::unique_ptr<DeviceGraph> record(const DeviceStreams& streams, const Work& work) {
    Recording recording(streams);
    work();
    return recording.finish();
  }

  DeviceGraph(const Accelerator& accelerator, void* graph, std::vector<at::Tensor> kept)
      : accelerator_(accelerator), graph_(graph), kept_(std::move(kept)) {}
  ~DeviceGraph() { accelerator_.destroy_graph(graph_); }
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void replay() const { accelerator_.replay(graph_); }

 private:
  class Recording {
   public:
    explicit Recording(const DeviceStreams& streams);
    ~Recording();
    std::unique_ptr<DeviceGraph> finish();

   private:
    const DeviceStreams& streams_;
    std::vector<at::Tensor> kept_;
    bool open_ = true;
  };

  const Accelerator& accelerator_;
  void* graph_;
  std::vector<at::Tensor> kept_;
};

/// A graph that is being recorded on this thread reads this tensor, which its owner may let go of: from here on the graph holds it, too.
void keep_for_graph(const at::Tensor& tensor);

}  // namespace reviewkd::ops
