#include "core/ops/backend/device_streams.h"

#include <exception>

namespace reviewkd::ops {
namespace {

thread_local const DeviceStreams* entered = nullptr;
thread_local std::vector<at::Tensor>* kept_tensors = nullptr;

/// For destructors. After a device failure the next call fails again and may throw.
template <typename Work>
void quietly(const Work& work) {
  try {
    work();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
  }
}

/// While alive, keep_for_graph adds tensors to this list.
class KeepingScope {
 public:
  explicit KeepingScope(std::vector<at::Tensor>& tensors) { kept_tensors = &tensors; }
  ~KeepingScope() { kept_tensors = nullptr; }
};

}  // namespace

std::unique_ptr<DeviceStreams> DeviceStreams::create(const KernelBackend& backend) {
  return backend.create_context == nullptr ? nullptr : std::make_unique<DeviceStreams>(backend);
}

DeviceStreams::~DeviceStreams() {
  quietly([&] { backend_.destroy_context(context_); });
}

StreamsScope::StreamsScope(const DeviceStreams* streams)
    : outer_(entered), streams_(streams == entered ? nullptr : streams) {
  if (streams_ == nullptr) return;
  streams_->backend().enter(streams_->context());
  entered = streams_;
}

StreamsScope::~StreamsScope() {
  if (streams_ == nullptr) return;
  quietly([&] { streams_->backend().leave(streams_->context()); });
  entered = outer_;
}

SideWork::SideWork() : streams_(entered) {}

SideWork::~SideWork() {
  quietly([&] { join(); });
}

void SideWork::join() {
  if (streams_ == nullptr || !is_open_) return;
  is_open_ = false;
  streams_->backend().join(streams_->context());
}

SideWork::Scope::Scope(SideWork& work) : streams_(work.streams_) {
  if (streams_ == nullptr) return;
  streams_->backend().begin_side(streams_->context());
  work.is_open_ = true;
}

SideWork::Scope::~Scope() {
  if (streams_ != nullptr) quietly([&] { streams_->backend().end_side(streams_->context()); });
}

std::unique_ptr<DeviceGraph> DeviceGraph::record(const DeviceStreams& streams, std::function<void()> work) {
  std::unique_ptr<DeviceGraph> graph(new DeviceGraph(streams.backend(), std::move(work)));
  const KeepingScope keeping(graph->kept_);
  graph->graph_ = streams.backend().record(
      streams.context(), [](void* recorded) { (*static_cast<std::function<void()>*>(recorded))(); }, &graph->work_);
  return graph;
}

DeviceGraph::~DeviceGraph() {
  if (graph_ != nullptr) quietly([&] { backend_.destroy_graph(graph_); });
}

bool is_recording() { return kept_tensors != nullptr; }

void keep_for_graph(const at::Tensor& tensor) {
  if (kept_tensors != nullptr && tensor.defined()) kept_tensors->push_back(tensor);
}

}  // namespace reviewkd::ops
