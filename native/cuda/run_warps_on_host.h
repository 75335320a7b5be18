#pragma once
// Runs warp kernels (see kernels/warp.h) on the host, warp by warp. Exposes errors that would only fail on a device:
// shared memory starts as NaN, asynchronous copies take effect when they are waited for, and every second block runs
// its warps in reverse, so that a warp that reads another's writes of the same phase produces different results.

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda/kernels/warp.h"

namespace reviewkd::cuda {

template <typename Kernel>
void run_warps_on_host(const Kernel& kernel) {
  struct alignas(16) Bytes {
    std::byte values[Kernel::kSharedBytes];
  };
  const auto shared = std::make_unique<Bytes>();
  for (int64_t block = 0; block < kernel.blocks(); ++block) {
    memset(shared->values, 0xff, sizeof shared->values);
    std::vector<typename Kernel::Registers> registers(Kernel::kWarps);
    for (int phase = 0; phase < Kernel::kPhases; ++phase) {
      for (int i = 0; i < Kernel::kWarps; ++i) {
        const int warp = block % 2 == 0 ? i : Kernel::kWarps - 1 - i;
        kernel.run(phase, block, warp, registers[static_cast<size_t>(warp)], shared->values);
      }
    }
  }
}

}  // namespace reviewkd::cuda
