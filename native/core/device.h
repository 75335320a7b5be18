#pragma once
// Where tensors live. The addon links only the CPU half of libtorch; the CUDA half is loaded on first demand.

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

/// Looks for CUDA once per process: loads libtorch_cuda from beside libtorch_cpu and asks it for devices.
const CudaStatus& cuda_status();

/// "cpu", "cuda" or "auto" (CUDA where it is available). Throws CUDA_UNAVAILABLE with the reason, or INVALID_ARGUMENT.
c10::Device parse_device(const std::string& name);

/// Path of the directory that the loaded libtorch_cpu lies in.
std::string libtorch_directory();

/// Whether the loaded libtorch was built with CUDA support, told by the files beside it.
bool libtorch_is_cuda_build();

}  // namespace reviewkd
