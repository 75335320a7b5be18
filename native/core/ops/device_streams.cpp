#include "core/ops/device_streams.h"

#include <exception>
#include <utility>

namespace reviewkd::ops {
namespace {

thread_local const DeviceStreams* entered = nullptr;
thread_local std::vector<at::Tensor>* kept_tensors = nullptr;

/// For destructors. A device that has failed fails again at the next call, which may throw.
template <typename Work>
void quietly(const Work& work) {
  try {
    work();
  } catch (const std::exception&) {
  }
}

}  // namespace

std::unique_ptr<DeviceStreams> DeviceStreams::create(const Accelerator& accelerator) {
  return accelerator.create_context == nullptr ? nullptr : std::make_unique<DeviceStreams>(accelerator);
}

StreamsScope::StreamsScope(const DeviceStreams* streams) : outer_(std::exchange(entered, streams)), streams_(streams) {
  if (streams_ != nullptr) streams_->accelerator().enter(streams_->context());
}

StreamsScope::~StreamsScope() {
  if (streams_ != nullptr) quietly([&] { streams_->accelerator().leave(streams_->context()); });
  entered = outer_;
}

BesideScope::BesideScope() : streams_(entered) {
  if (streams_ != nullptr) streams_->accelerator().begin_beside(streams_->context());
}

BesideScope::~BesideScope() {
  if (streams_ != nullptr) quietly([&] { streams_->accelerator().end_beside(streams_->context()); });
}

void join_beside() {
  if (entered != nullptr) entered->accelerator().join(entered->context());
}

DeviceGraph::Recording::Recording(const DeviceStreams& streams) : streams_(streams) {
  streams_.accelerator().begin_capture(streams_.context());
  kept_tensors = &kept_;
}

DeviceGraph::Recording::~Recording() {
  kept_tensors = nullptr;
  if (open_) quietly([&] { streams_.accelerator().abandon_capture(streams_.context()); });
}

std::unique_ptr<DeviceGraph> DeviceGraph::Recording::finish() {
  void* graph = streams_.accelerator().end_capture(streams_.context());
  open_ = false;
  return std::make_unique<DeviceGraph>(streams_.accelerator(), graph, std::move(kept_));
}

void keep_for_graph(const at::Tensor& tensor) {
  if (kept_tensors != nullptr) kept_tensors->push_back(tensor);
}

}  // namespace reviewkd::ops
