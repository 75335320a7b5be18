#pragma once
// Runs a kernel on the host, block by block and thread by thread; see portable.h for the form of a kernel. Every
// second block runs its threads in reverse, so that a thread that reads another's writes of the same phase produces
// different results.

#include "cuda/kernels.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

template <typename Kernel>
void run_on_host(const Kernel& kernel) {
  static thread_local double shared_memory[(Kernel::kShared + 1) / 2];
  float* shared = reinterpret_cast<float*>(shared_memory);
  uint32_t counters[kMostGroups] = {};
  const int64_t blocks = kernel.blocks();
  for (int64_t block = 0; block < blocks; ++block) {
    const auto each_thread = [&](const auto& work) {
      for (int i = 0; i < Kernel::kThreads; ++i) work(block % 2 == 0 ? i : Kernel::kThreads - 1 - i);
    };
    for (int phase = 0; phase < Kernel::kPhases; ++phase)
      each_thread([&](int thread) { kernel.run(phase, block, thread, shared); });
    if constexpr (requires { Kernel::kFinishPhases; }) {
      const uint32_t group = kernel.group(block);
      if (++counters[group] < kernel.blocks_of_group()) continue;
      for (int phase = 0; phase < Kernel::kFinishPhases; ++phase)
        each_thread([&](int thread) { kernel.finish(phase, group, thread, shared); });
    }
  }
}

}  // namespace reviewkd::cuda
