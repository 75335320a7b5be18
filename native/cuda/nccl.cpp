// The processes of a training on CUDA devices: c10d's ProcessGroupNCCL, from libtorch's CUDA half.

#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "cuda/nccl.h"

namespace reviewkd::cuda {

void* open_nccl(const void* store, int32_t rank, int32_t size, int64_t timeout_milliseconds) {
  const auto& meeting = *static_cast<const c10::intrusive_ptr<c10d::Store>*>(store);
  const auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  options->timeout = std::chrono::milliseconds(timeout_milliseconds);
  auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(meeting, rank, size, options);
  return static_cast<c10d::Backend*>(group.release());
}

}  // namespace reviewkd::cuda
