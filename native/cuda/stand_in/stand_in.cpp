// A plugin for the CPU that runs the device's kernels thread by thread: so that their arithmetic, and all that leads to them, is tested where there
// is no GPU. Slow, and for nothing else. Its streams only watch that they are used in the order that a device's want, and nothing can be recorded.

#include <exception>
#include <stdexcept>
#include <string>

#include "core/ops/accelerator.h"
#include "cuda/kernels/portable.h"
#include "cuda/stand_in/launch_warps.h"

namespace reviewkd::cuda {
namespace {

template <typename Kernel>
void launch(const Kernel& kernel) {
  static thread_local double shared[(Kernel::kShared + 1) / 2];
  for (int64_t block = 0; block < kernel.blocks(); ++block) {
    for (int phase = 0; phase < Kernel::kPhases; ++phase) {
      for (int thread = 0; thread < Kernel::kThreads; ++thread) kernel.run(phase, block, thread, reinterpret_cast<float*>(shared));
    }
  }
}

struct Streams {
  enum class State { kOutside, kEntered, kBeside };
  State state = State::kOutside;
  bool is_joined = true;
  /// Told at the next `enter`, for scopes that end throw nothing.
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
  of(context).go(Streams::State::kOutside, Streams::State::kEntered, "enter");
  if (!of(context).fault.empty()) throw std::logic_error("streams of a device: " + of(context).fault);
}

void leave(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kOutside, "leave");
  if (!of(context).is_joined && std::uncaught_exceptions() == 0) of(context).fault += "left before what went beside was joined; ";
}

void begin_beside(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kBeside, "begin_beside");
  of(context).is_joined = false;
}

void end_beside(void* context) { of(context).go(Streams::State::kBeside, Streams::State::kEntered, "end_beside"); }

void join(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kEntered, "join");
  of(context).is_joined = true;
}

void begin_capture(void* context) {
  of(context).go(Streams::State::kEntered, Streams::State::kEntered, "begin_capture");
  throw std::runtime_error("nothing can be recorded here");
}

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

extern "C" __attribute__((visibility("default"))) const reviewkd::ops::Accelerator* reviewkd_accelerator() {
  static const reviewkd::ops::Accelerator table = [] {
    reviewkd::ops::Accelerator result = reviewkd::cuda::kernel_table();
    result.device = "CPU";
    result.libtorch = "";
    result.built_for = "the host";
    result.free_memory = [] { return int64_t{1} << 30; };
    result.create_context = &reviewkd::cuda::create_context;
    result.destroy_context = &reviewkd::cuda::destroy_context;
    result.enter = &reviewkd::cuda::enter;
    result.leave = &reviewkd::cuda::leave;
    result.begin_beside = &reviewkd::cuda::begin_beside;
    result.end_beside = &reviewkd::cuda::end_beside;
    result.join = &reviewkd::cuda::join;
    result.begin_capture = &reviewkd::cuda::begin_capture;
    return result;
  }();
  return &table;
}
