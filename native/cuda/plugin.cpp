// The plugin: the kernels, and libtorch's streams and graphs behind plain functions. Links the CUDA half of libtorch, which whoever loads
// this has loaded before.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <torch/version.h>

#include <memory>
#include <optional>

#include "core/ops/accelerator.h"
#include "cuda/kernels.h"

namespace reviewkd::cuda {
namespace {

using c10::cuda::CUDAStream;

class Event {
 public:
  Event() { C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// What `waiting` is given from here on comes after what `done` was given so far.
  void order(const CUDAStream& done, const CUDAStream& waiting) const {
    C10_CUDA_CHECK(cudaEventRecord(event_, done.stream()));
    C10_CUDA_CHECK(cudaStreamWaitEvent(waiting.stream(), event_, 0));
  }

 private:
  cudaEvent_t event_ = nullptr;
};

struct Context {
  CUDAStream main = c10::cuda::getStreamFromPool();
  CUDAStream beside = c10::cuda::getStreamFromPool();
  std::optional<CUDAStream> outer;  // where the thread's work went before `enter`
  Event entered, left, begun, ended;
  std::unique_ptr<at::cuda::CUDAGraph> recording;
};

Context& of(void* context) { return *static_cast<Context*>(context); }

void* create_context() { return new Context(); }
void destroy_context(void* context) { delete static_cast<Context*>(context); }

void enter(void* context) {
  Context& streams = of(context);
  streams.outer = c10::cuda::getCurrentCUDAStream();
  streams.entered.order(*streams.outer, streams.main);
  c10::cuda::setCurrentCUDAStream(streams.main);
}

void leave(void* context) {
  Context& streams = of(context);
  c10::cuda::setCurrentCUDAStream(*streams.outer);
  streams.left.order(streams.main, *streams.outer);
}

void begin_beside(void* context) {
  of(context).begun.order(of(context).main, of(context).beside);
  c10::cuda::setCurrentCUDAStream(of(context).beside);
}

void end_beside(void* context) { c10::cuda::setCurrentCUDAStream(of(context).main); }

void join(void* context) { of(context).ended.order(of(context).beside, of(context).main); }

void begin_capture(void* context) {
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  // Other threads of the process, other sessions among them, go on with what they do.
  graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  of(context).recording = std::move(graph);
}

void* end_capture(void* context) {
  of(context).recording->capture_end();
  return of(context).recording.release();
}

/// A recording that failed has left errors behind, which are nobody else's.
void abandon_capture(void* context) {
  const auto graph = std::move(of(context).recording);
  try {
    if (graph) graph->capture_end();
  } catch (const std::exception&) {
  }
  cudaGetLastError();
}

void replay(void* graph) { static_cast<at::cuda::CUDAGraph*>(graph)->replay(); }
void destroy_graph(void* graph) { delete static_cast<at::cuda::CUDAGraph*>(graph); }

int64_t free_memory() {
  size_t free_bytes = 0, all = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &all));
  return static_cast<int64_t>(free_bytes);
}

}  // namespace

void* current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

}  // namespace reviewkd::cuda

extern "C" __attribute__((visibility("default"))) const reviewkd::ops::Accelerator* reviewkd_accelerator() {
  namespace cuda = reviewkd::cuda;
  static const reviewkd::ops::Accelerator table = [] {
    reviewkd::ops::Accelerator result = cuda::device_kernels();
    result.device = "CUDA";
    result.libtorch = TORCH_VERSION;
    result.built_for = REVIEWKD_CUDA_BUILT_FOR;
    result.free_memory = &cuda::free_memory;
    result.create_context = &cuda::create_context;
    result.destroy_context = &cuda::destroy_context;
    result.enter = &cuda::enter;
    result.leave = &cuda::leave;
    result.begin_beside = &cuda::begin_beside;
    result.end_beside = &cuda::end_beside;
    result.join = &cuda::join;
    result.begin_capture = &cuda::begin_capture;
    result.end_capture = &cuda::end_capture;
    result.abandon_capture = &cuda::abandon_capture;
    result.replay = &cuda::replay;
    result.destroy_graph = &cuda::destroy_graph;
    return result;
  }();
  return &table;
}
