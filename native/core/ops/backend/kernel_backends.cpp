#include "core/ops/backend/kernel_backends.h"

#include <ATen/ATen.h>
#include <torch/version.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <vector>

#include "core/ops/backend/device.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/platform/library.h"
#include "core/platform/system.h"

namespace reviewkd::ops {
namespace {

namespace fs = std::filesystem;

// @env REVIEWKD_CUDA_PLUGIN users: The file of the plugin with the CUDA kernels; another is then never loaded.
// Default: the one of the installed package, or next to the addon or libtorch.
constexpr const char* kVariable = "REVIEWKD_CUDA_PLUGIN";
constexpr const char* kFile = "reviewkd_cuda.so";
constexpr const char* kInstall = "npm install @reviewkd/linux-x64-cuda, or npm run build:cuda in a checkout";

std::mutex offers_mutex;
std::vector<std::string>& offers() {
  static std::vector<std::string> list;
  return list;
}

const char* requested_plugin() {
  const char* path = std::getenv(kVariable);
  return path != nullptr && *path != '\0' ? path : nullptr;
}

fs::path own_directory() {
  std::error_code ignored;
  return fs::weakly_canonical(
             platform::path_of(platform::library_of(reinterpret_cast<const void*>(&kernel_backend_status))), ignored)
      .parent_path();
}

std::vector<std::string> places() {
  if (const char* path = requested_plugin()) return {path};
  std::vector<std::string> result;
  {
    const std::lock_guard lock(offers_mutex);
    result = offers();
  }
  result.push_back(platform::utf8_of(own_directory() / kFile));
  result.push_back(platform::utf8_of(platform::path_of(libtorch_directory()) / kFile));
  return result;
}

/// "2.14" for "2.14.1".
std::string minor_version(const std::string& version) {
  return version.substr(0, version.find('.', version.find('.') + 1));
}

std::string incompatibility(const KernelBackend& table) {
  if (table.version != kKernelBackendVersion) {
    return "invalid plugin: expected interface version " + std::to_string(kKernelBackendVersion) + ", received " +
           std::to_string(table.version);
  }
  const std::string libtorch = table.libtorch;
  if (!libtorch.empty() && minor_version(libtorch) != minor_version(TORCH_VERSION)) {
    return "invalid plugin: expected one for libtorch " + minor_version(TORCH_VERSION) + ", received one for " +
           libtorch;
  }
  return "";
}

KernelBackendStatus find() {
  KernelBackendStatus status;
  // libtorch's CUDA half comes first: the plugin resolves it as an already loaded library.
  const CudaStatus& cuda = cuda_status();
  for (const std::string& place : places()) {
    std::error_code ignored;
    if (!fs::exists(platform::path_of(place), ignored)) continue;
    status.path = place;
    std::string reason;
    void* library = platform::load_library(place, platform::Symbols::kLocal, reason);
    if (library == nullptr) {
      status.reason = "it could not be loaded: " + reason;
      status.fix =
          cuda.available ? kInstall : "npx reviewkd libtorch install --cuda, on a machine with an NVIDIA driver";
      return status;
    }
    const auto get_table =
        reinterpret_cast<const KernelBackend* (*)()>(platform::symbol_of(library, kKernelBackendSymbol));
    status.reason = get_table == nullptr
                        ? "invalid plugin: expected a function " + std::string(kKernelBackendSymbol) + ", received none"
                        : incompatibility(*get_table());
    status.fix = status.reason.empty() ? "" : kInstall;
    if (status.reason.empty()) status.table = get_table();
    return status;
  }
  status.reason = requested_plugin() != nullptr
                      ? std::string("there is no ") + requested_plugin() + ", which " + kVariable + " names"
                      : "it is not installed";
  status.fix = kInstall;
  return status;
}

}  // namespace

const KernelBackendStatus& kernel_backend_status() {
  static const KernelBackendStatus status = find();
  return status;
}

void offer_kernel_backend(const std::string& path) {
  const std::lock_guard lock(offers_mutex);
  offers().push_back(path);
}

const KernelBackend* kernel_backend_of(c10::DeviceType device) {
  // On the CPU a backend exists only if a test requests it.
  static const bool requested = requested_plugin() != nullptr;
  if (device != c10::kCUDA && !requested) return nullptr;
  const KernelBackend* table = kernel_backend_status().table;
  return table != nullptr && c10::DeviceTypeName(device) == table->device ? table : nullptr;
}

const KernelBackend* kernel_backend_for(const at::Tensor& x) {
  return takes_reference_path() ? nullptr : kernel_backend_of(x.device().type());
}

bool accelerates(at::ScalarType type, int64_t channels) {
  return (type == at::kFloat || type == at::kBFloat16) && channels % kKernelBackendChannels == 0 &&
         channels <= kMostChannels;
}

bool has_few_pixels(const at::Tensor& map) { return map.size(0) * map.size(2) * map.size(3) <= kMostPixels / 4; }

bool accelerates(const at::Tensor& map) {
  return map.dim() == 4 && map.numel() > 0 && accelerates(map.scalar_type(), map.size(1)) && has_few_pixels(map);
}

at::Tensor for_kernels(const at::Tensor& map, at::ScalarType type) {
  const at::Tensor ordered = in_order(map, type);
  return reinterpret_cast<uintptr_t>(ordered.const_data_ptr()) % kKernelBackendAlignment == 0 ? ordered
                                                                                              : ordered.clone();
}

MapShape map_shape(const at::Tensor& map) {
  return {value_type(map.scalar_type()), map.size(0) * map.size(2) * map.size(3), map.size(1)};
}

ValueType value_type(at::ScalarType type) { return type == at::kFloat ? ValueType::kFloat : ValueType::kBfloat16; }

at::Tensor device_floats(at::IntArrayRef sizes, const at::Tensor& like) {
  return at::empty(sizes, like.options().dtype(at::kFloat).requires_grad(false));
}

void mark_changed(const at::Tensor& tensor) { tensor.unsafeGetTensorImpl()->bump_version(); }

}  // namespace reviewkd::ops
