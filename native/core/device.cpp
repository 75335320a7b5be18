#include "core/device.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <filesystem>
#include <mutex>

#include "core/error.h"

namespace reviewkd {
namespace {

CudaStatus find_cuda() {
  CudaStatus status;
  if (!at::hasCUDA()) {
    const auto library = std::filesystem::path(libtorch_directory()) / "libtorch_cuda.so";
    std::error_code ignored;
    if (!std::filesystem::exists(library, ignored)) {
      status.reason = "this libtorch is a CPU build or was installed without its CUDA half (no " + library.string() + ")";
      return status;
    }
    // Registers its kernels with the dispatcher; stays loaded for the life of the process.
    if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* message = dlerror();
      status.reason = std::string("libtorch_cuda could not be loaded: ") + (message ? message : "unknown reason");
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
  Dl_info info{};
  // Any function that lives in libtorch_cpu will do.
  if (dladdr(reinterpret_cast<const void*>(&at::globalContext), &info) == 0 || info.dli_fname == nullptr) return "";
  std::error_code ignored;
  const auto path = std::filesystem::canonical(info.dli_fname, ignored);
  return (ignored ? std::filesystem::path(info.dli_fname) : path).parent_path().string();
}

bool libtorch_is_cuda_build() {
  std::error_code ignored;
  const std::filesystem::path directory = libtorch_directory();
  return std::filesystem::exists(directory / "libtorch_cuda.so", ignored) ||
         std::filesystem::exists(directory / "libc10_cuda.so", ignored);
}

}  // namespace reviewkd
