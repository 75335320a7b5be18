#pragma once
// NCCL for CUDA, by way of the plugin: libtorch's CUDA half, which has it, is not linked here.

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace reviewkd {

bool has_nccl();

/// Variables that c10d reads with its first group, unless the user has set them. Otherwise it answers a lost process by
/// a minute's sleep for reports of its flight recorder, and ends the program if a thread of its own stands still for
/// eight minutes. Call on a JavaScript thread: others may read the environment meanwhile.
void set_nccl_defaults();

/// c10d's ProcessGroupNCCL. store: null for a group of one. Throws CUDA_UNAVAILABLE without the plugin.
c10::intrusive_ptr<c10d::Backend> open_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout);

}  // namespace reviewkd
