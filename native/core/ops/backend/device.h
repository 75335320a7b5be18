#pragma once
// Device selection. The addon links only the CPU half of libtorch; the CUDA half is loaded at startup if a device may
// be present.

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace reviewkd {

struct CudaStatus {
  bool available = false;
  std::vector<std::string> devices;
  /// Why CUDA cannot be used; empty if it can.
  std::string reason;
};

/// Loads libtorch's CUDA half, once per process, if CUDA's runtime reports a device or, without that runtime,
/// NVIDIA's driver can be loaded. Must run before any other use of libtorch: at::hasCUDA() caches its first answer
/// for the life of the process, and the autograd engine has threads only for devices known at the first backward
/// pass. Never throws.
void load_cuda_half();

/// The CUDA devices of this process, looked up once.
const CudaStatus& cuda_status();

/// "cpu", "cuda" or "auto" (CUDA if available). Throws CUDA_UNAVAILABLE with the reason, or INVALID_ARGUMENT.
/// index: of several CUDA devices, modulo their number.
c10::Device parse_device(const std::string& name, int64_t index = 0);

/// Path of the directory that contains the loaded libtorch_cpu.
std::string libtorch_directory();

/// Whether the loaded libtorch was built with CUDA support, judged by the files next to it.
bool libtorch_is_cuda_build();

}  // namespace reviewkd
