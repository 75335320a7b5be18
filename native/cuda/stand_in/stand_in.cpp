// A plugin for the CPU that runs the device's kernels thread by thread: so that their arithmetic, and all that leads to them, is tested where there
// is no GPU. Slow, and for nothing else.

#include "core/ops/accelerator.h"
#include "cuda/kernels/portable.h"

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
    return result;
  }();
  return &table;
}
