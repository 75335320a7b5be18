#include "core/distributed/nccl.h"

#include <c10/util/env.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "core/base/error.h"
#include "core/ops/backend/device.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd {

bool has_nccl() {
  if (!cuda_status().available) return false;
  const ops::KernelBackend* table = ops::kernel_backend_status().table;
  return table != nullptr && table->open_nccl != nullptr;
}

void set_nccl_defaults() {
  for (const char* name :
       {"TORCH_NCCL_DUMP_ON_TIMEOUT", "TORCH_NCCL_WAIT_TIMEOUT_DUMP_MILSEC", "TORCH_NCCL_ENABLE_MONITORING"})
    c10::utils::set_env(name, "0", /*overwrite=*/false);
}

c10::intrusive_ptr<c10d::Backend> open_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout) {
  if (!has_nccl()) {
    const auto& status = ops::kernel_backend_status();
    fail(ErrorCode::kCudaUnavailable,
         "no NCCL for device \"cuda\" in several processes: it comes with the CUDA plugin, ",
         status.reason.empty() ? "which was built for another version of NCCL than libtorch" : status.reason, ". ",
         status.fix, status.fix.empty() ? "" : ". ", "Or use device \"cpu\".");
  }
  c10::intrusive_ptr<c10d::Store> meeting = store;
  if (!meeting) meeting = c10::make_intrusive<c10d::HashStore>();
  void* backend = ops::kernel_backend_status().table->open_nccl(&meeting, rank, size, timeout.count());
  return c10::intrusive_ptr<c10d::Backend>::reclaim(static_cast<c10d::Backend*>(backend));
}

}  // namespace reviewkd
