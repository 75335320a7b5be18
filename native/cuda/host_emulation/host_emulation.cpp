// A plugin for the CPU that runs the device's kernels thread by thread, so that their arithmetic and all code that
// leads to them are tested without a GPU. Slow, and for tests only. Its streams only verify that they are used in the
// order that a device's require. While work is recorded, kernels do nothing, and each replay runs the work: anything
// that a step changes by other means than kernels would be changed twice.
//
// REVIEWKD_HOST_EMULATION_RECORDING=fail makes every recording fail at its end.

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/run_on_host.h"
#include "cuda/run_warps_on_host.h"

namespace reviewkd::cuda {
namespace {

thread_local bool is_recording = false;

template <typename Kernel>
void launch(const Kernel& kernel) {
  if (!is_recording) run_on_host(kernel);
}

template <typename Kernel>
void launch_warps(const Kernel& kernel) {
  if (!is_recording) run_warps_on_host(kernel);
}

template <typename Kernel>
bool supports_warps() {
  return true;
}

struct Streams {
  enum class State { kOutside, kEntered, kSide };
  State state = State::kOutside;
  bool is_joined = true;
  /// Reported at the next `enter`, because scope destructors must not throw.
  std::string fault;

  void go(State from, State to, const char* what) {
    if (state != from) fault += std::string(what) + " at the wrong time; ";
    state = to;
  }
};

Streams& of(void* context) { return *static_cast<Streams*>(context); }

void* create_context() { return new Streams(); }
void destroy_context(void* context) { delete static_cast<Streams*>(context); }

void enter(void* context) {
  if (!of(context).fault.empty()) throw std::logic_error("invalid use of device streams: " + of(context).fault);
  of(context).go(Streams::State::kOutside, Streams::State::kEntered, "enter");
}

void leave(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kOutside, "leave");
  if (!of(context).is_joined) of(context).fault += "left before the side stream was joined; ";
}

void begin_side(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kSide, "begin_side");
  of(context).is_joined = false;
}

void end_side(void* context) { of(context).go(Streams::State::kSide, Streams::State::kEntered, "end_side"); }

void join(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kEntered, "join");
  of(context).is_joined = true;
}

struct Graph {
  void (*work)(void*);
  void* argument;
};

struct RecordingScope {
  RecordingScope() { is_recording = true; }
  ~RecordingScope() { is_recording = false; }
};

void* record(void* context, void (*work)(void*), void* argument) {
  of(context).go(Streams::State::kEntered, Streams::State::kEntered, "record");
  const RecordingScope recording;
  work(argument);
  // @env REVIEWKD_HOST_EMULATION_RECORDING tests: `fail`: recording a step throws in the host emulation. Default: it
  // succeeds.
  const char* setting = std::getenv("REVIEWKD_HOST_EMULATION_RECORDING");
  if (setting != nullptr && std::string_view(setting) == "fail")
    throw std::runtime_error("REVIEWKD_HOST_EMULATION_RECORDING requests a failure");
  return new Graph{work, argument};
}

void replay(void* graph) {
  const auto& recorded = *static_cast<Graph*>(graph);
  recorded.work(recorded.argument);
}

void destroy_graph(void* graph) { delete static_cast<Graph*>(graph); }

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

extern "C" __attribute__((visibility("default"))) const reviewkd::ops::KernelBackend* reviewkd_kernel_backend() {
  namespace cuda = reviewkd::cuda;
  static const reviewkd::ops::KernelBackend table = [] {
    reviewkd::ops::KernelBackend result = cuda::kernel_table();
    result.device = "CPU";
    result.libtorch = "";
    result.built_for = "the host";
    result.free_memory = [] { return int64_t{1} << 30; };
    result.create_context = &cuda::create_context;
    result.destroy_context = &cuda::destroy_context;
    result.enter = &cuda::enter;
    result.leave = &cuda::leave;
    result.begin_side = &cuda::begin_side;
    result.end_side = &cuda::end_side;
    result.join = &cuda::join;
    result.record = &cuda::record;
    result.replay = &cuda::replay;
    result.destroy_graph = &cuda::destroy_graph;
    return result;
  }();
  return &table;
}
