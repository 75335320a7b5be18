#pragma once
// NCCL for CUDA, by way of the plugin: libtorch's CUDA half, which has it, is not linked here.

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace reviewkd {

bool has_nccl();

/// c10d's ProcessGroupNCCL. store: null for a group of one. Throws CUDA_UNAVAILABLE without the plugin.
c10::intrusive_ptr<c10d::Backend> open_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout);

}  // namespace reviewkd
