#include "core/ops/backend/device.h"

#include <ATen/Context.h>

#include <filesystem>
#include <mutex>

#include "core/base/error.h"
#include "core/platform/library.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

namespace fs = std::filesystem;

/// A file in the directory of libtorch's CPU half.
fs::path library_next_to_libtorch(const std::string& name) {
  return platform::path_of(libtorch_directory()) / platform::library_file(name);
}

struct CudaHalf {
  bool loaded = false;
  /// Why it is not loaded; empty if it is.
  std::string reason;
};

/// libtorch_cpu of a CUDA build ships CUDA's runtime, which is cheap to query; the driver alone may be installed
/// without a device.
bool may_have_device() {
  if (const auto count_devices = reinterpret_cast<int (*)(int*)>(platform::symbol_in_scope("cudaGetDeviceCount"))) {
    int count = 0;
    return count_devices(&count) == 0 && count > 0;
  }
  std::string ignored;
  return platform::load_library(platform::cuda_driver_library(), platform::Symbols::kLocal, ignored) != nullptr;
}

CudaHalf find_cuda_half() {
  const fs::path path = library_next_to_libtorch("torch_cuda");
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return {false,
            "this libtorch is a CPU build or was installed without its CUDA half (no " + platform::utf8_of(path) + ")"};
  }
  if (!may_have_device()) return {false, "the driver found no CUDA device"};
  // Its static objects register kernels with the dispatcher and hooks with at::Context.
  std::string reason;
  if (platform::load_library(platform::utf8_of(path), platform::Symbols::kGlobal, reason) == nullptr) {
    return {false, "libtorch_cuda could not be loaded: " + reason};
  }
  return {true, ""};
}

const CudaHalf& cuda_half() {
  static const CudaHalf half = find_cuda_half();
  return half;
}

CudaStatus find_cuda() {
  CudaStatus status;
  if (!cuda_half().loaded) {
    status.reason = cuda_half().reason;
    return status;
  }
  try {
    const auto count = at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
    for (int index = 0; index < count; ++index) status.devices.push_back("cuda:" + std::to_string(index));
    status.available = count > 0;
    // No TF32 for float32, and the same seed produces the same bits.
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setDeterministicCuDNN(true);
    if (!status.available) status.reason = "libtorch's CUDA half reports no device";
  } catch (const std::exception& error) {
    status.reason = error.what();
  }
  return status;
}

}  // namespace

void load_cuda_half() { cuda_half(); }

const CudaStatus& cuda_status() {
  static const CudaStatus status = find_cuda();
  return status;
}

c10::Device parse_device(const std::string& name, int64_t index) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  if (name != "cuda" && name != "auto") {
    throw Error(ErrorCode::kInvalidArgument, "invalid device: expected cpu, cuda or auto, received \"" + name + "\".",
                {"cpu", "cuda", "auto"});
  }
  const auto& cuda = cuda_status();
  const auto devices = static_cast<int64_t>(cuda.devices.size());
  if (cuda.available) return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index % devices));
  if (name == "auto") return c10::Device(c10::kCPU);
  fail(ErrorCode::kCudaUnavailable, "no CUDA device for device \"cuda\": ", cuda.reason,
       ". Use device \"cpu\" or \"auto\", or build against a CUDA libtorch (REVIEWKD_LIBTORCH) on a machine with a "
       "driver.");
}

std::string libtorch_directory() {
  // Any function in libtorch_cpu works.
  const fs::path library = platform::path_of(platform::library_of(reinterpret_cast<const void*>(&at::globalContext)));
  std::error_code error;
  const fs::path path = fs::canonical(library, error);
  return platform::utf8_of((error ? library : path).parent_path());
}

bool libtorch_is_cuda_build() {
  std::error_code ignored;
  return fs::exists(library_next_to_libtorch("torch_cuda"), ignored) ||
         fs::exists(library_next_to_libtorch("c10_cuda"), ignored);
}

}  // namespace reviewkd
