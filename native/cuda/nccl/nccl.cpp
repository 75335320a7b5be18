// The processes of a training on CUDA devices: c10d's ProcessGroupNCCL, from libtorch's CUDA half.

#define USE_C10D_NCCL
#include <torch/csrc/cuda/nccl.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "cuda/nccl/nccl.h"

namespace reviewkd::cuda {
namespace {

class NcclBackend : public c10d::ProcessGroupNCCL {
 public:
  NcclBackend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
              const c10::intrusive_ptr<Options>& options)
      : ProcessGroupNCCL(store, rank, size, options) {
    // By default, and under torchrun, c10d ends the program when another process is lost. Here the processes report it
    // to each other by texts, and the program ends with that error; c10d stops waiting on the device.
    asyncErrorHandling_ = c10d::CleanUpOnly;
  }

  /// Its communicators take device memory, which c10d would leave to the end of the program.
  ~NcclBackend() override {
    try {
      abort();
    } catch (const std::exception&) {
      // The device has failed, which was reported by the work on it.
    }
  }
};

}  // namespace

bool fits_nccl_of_libtorch() {
  constexpr uint64_t kVersion = uint64_t{NCCL_MAJOR} << 32 | uint64_t{NCCL_MINOR} << 16 | uint64_t{NCCL_PATCH};
  return torch::cuda::nccl::version() == kVersion;
}

void* open_nccl(const void* store, int32_t rank, int32_t size, int64_t timeout_milliseconds) {
  const auto& meeting = *static_cast<const c10::intrusive_ptr<c10d::Store>*>(store);
  const auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  options->timeout = std::chrono::milliseconds(timeout_milliseconds);
  auto backend = c10::make_intrusive<NcclBackend>(meeting, rank, size, options);
  return static_cast<c10d::Backend*>(backend.release());
}

}  // namespace reviewkd::cuda
