#include "core/device.h"

#include <ATen/Context.h>

#include <filesystem>
#include <mutex>

#include "core/error.h"
#include "core/platform/library.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

namespace fs = std::filesystem;

/// Beside libtorch's CPU half.
fs::path beside(const std::string& name) { return platform::path_of(libtorch_directory()) / platform::library_file(name); }

CudaStatus find_cuda() {
  CudaStatus status;
  if (!at::hasCUDA()) {
    const fs::path path = beside("torch_cuda");
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      status.reason = "this libtorch is a CPU build or was installed without its CUDA half (no " + platform::utf8_of(path) + ")";
      return status;
    }
    // Registers its kernels with the dispatcher.
    std::string reason;
    if (platform::load_library(platform::utf8_of(path), platform::Symbols::kEverybodys, reason) == nullptr) {
      status.reason = "libtorch_cuda could not be loaded: " + reason;
      return status;
    }
  }
  try {
    const auto count = at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
    for (int index = 0; index < count; ++index) status.devices.push_back("cuda:" + std::to_string(index));
    status.available = count > 0;
    // float32 is float32 here, and the same seed gives the same bits.
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setDeterministicCuDNN(true);
    if (!status.available) status.reason = "no CUDA device was found by the driver";
  } catch (const std::exception& error) {
    status.reason = error.what();
  }
  return status;
}

}  // namespace

const CudaStatus& cuda_status() {
  static const CudaStatus status = find_cuda();
  return status;
}

c10::Device parse_device(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  if (name != "cuda" && name != "auto") {
    throw Error(ErrorCode::kInvalidArgument, "expected cpu, cuda or auto for device, got \"" + name + "\"", {"cpu", "cuda", "auto"});
  }
  const auto& cuda = cuda_status();
  if (cuda.available) return c10::Device(c10::kCUDA, 0);
  if (name == "auto") return c10::Device(c10::kCPU);
  fail(ErrorCode::kCudaUnavailable, "expected a CUDA device for device \"cuda\", got none: ", cuda.reason,
       ". Use device \"cpu\" or \"auto\", or build against a CUDA libtorch (REVIEWKD_LIBTORCH) on a machine with a driver.");
}

std::string libtorch_directory() {
  // Any function that lives in libtorch_cpu will do.
  const fs::path library = platform::path_of(platform::library_of(reinterpret_cast<const void*>(&at::globalContext)));
  std::error_code error;
  const fs::path path = fs::canonical(library, error);
  return platform::utf8_of((error ? library : path).parent_path());
}

bool libtorch_is_cuda_build() {
  std::error_code ignored;
  return fs::exists(beside("torch_cuda"), ignored) || fs::exists(beside("c10_cuda"), ignored);
}

}  // namespace reviewkd
