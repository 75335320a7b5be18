#pragma once
// Where tensors live. The addon links only the CPU half of libtorch; the CUDA half is loaded at its start where there may be a device.

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace reviewkd {

struct CudaStatus {
  bool available = false;
  std::vector<std::string> devices;
  /// Why CUDA cannot be used; empty where it can.
  std::string reason;
};

/// Loads libtorch's CUDA half, once per process, if CUDA's runtime reports a device or, without that runtime, NVIDIA's driver can be loaded.
/// Must run before anything else of libtorch: at::hasCUDA() keeps its first answer for the life of the process, and the autograd engine has
/// threads for only those devices that were known at the first backward pass. Never throws.
void load_cuda_half();

/// The CUDA devices of this process, looked up once.
const CudaStatus& cuda_status();

/// "cpu", "cuda" or "auto" (CUDA where it is available). Throws CUDA_UNAVAILABLE with the reason, or INVALID_ARGUMENT.
c10::Device parse_device(const std::string& name);

/// Path of the directory that the loaded libtorch_cpu lies in.
std::string libtorch_directory();

/// Whether the loaded libtorch was built with CUDA support, told by the files beside it.
bool libtorch_is_cuda_build();

}  // namespace reviewkd
