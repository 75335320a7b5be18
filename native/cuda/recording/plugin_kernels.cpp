// The plugin's kernels for the recording runtime, in place of kernels.cu: launches are recorded, and run block by
// block on the host's memory.

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>
#include <typeinfo>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels.h"
#include "cuda/kernels/scalars.h"
#include "cuda/run_on_host.h"
#include "cuda/run_warps_on_host.h"

/// Defined in launches.cpp.
extern "C" cudaError_t reviewkd_recording_launch(const char* mangled, void* stream, unsigned blocks, unsigned threads,
                                                 void (*run)(const void*), const void* parameters, size_t bytes);

namespace reviewkd::cuda {
namespace {

template <typename Kernel>
void run(const void* parameters) {
  run_on_host(*static_cast<const Kernel*>(parameters));
}

/// Losses and norms come from kernels that are not computed here: they count as 0, whatever their memory contained
/// before.
template <>
void run<ReportStep>(const void* parameters) {
  ReportStep kernel = *static_cast<const ReportStep*>(parameters);
  static const double zero = 0.0;
  static const float none_correct = 0.0f;
  for (int i = 0; i < kernel.call.count; ++i) kernel.call.scalars[i] = {&zero, true};
  if (kernel.call.norm != nullptr) kernel.call.norm = &zero;
  kernel.call.correct = &none_correct;
  run_on_host(kernel);
}

template <typename Kernel>
void launch(const Kernel& kernel) {
  const int64_t blocks = kernel.blocks();
  if (blocks == 0) return;
  const cudaError_t error =
      reviewkd_recording_launch(typeid(Kernel).name(), current_stream().handle, static_cast<unsigned>(blocks),
                                Kernel::kThreads, &run<Kernel>, &kernel, sizeof kernel);
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string("failed to start a CUDA kernel: ") + cudaGetErrorName(error) + ": " +
                             cudaGetErrorString(error));
  }
}

template <typename Kernel>
void launch_warps(const Kernel& kernel) {
  if (kernel.blocks() == 0) return;
  const cudaError_t error = reviewkd_recording_launch(
      typeid(Kernel).name(), current_stream().handle, static_cast<unsigned>(kernel.blocks()), Kernel::kWarps * kLanes,
      [](const void* parameters) { run_warps_on_host(*static_cast<const Kernel*>(parameters)); }, &kernel,
      sizeof kernel);
  if (error != cudaSuccess)
    throw std::runtime_error(std::string("failed to start a CUDA kernel: ") + cudaGetErrorName(error));
}

template <typename Kernel>
bool supports_warps() {
  return true;
}

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

namespace reviewkd::cuda {

ops::KernelBackend device_kernels() { return kernel_table(); }

}  // namespace reviewkd::cuda
