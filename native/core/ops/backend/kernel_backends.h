#pragma once
// Selects the kernel_backend.h table for a device: that of the plugin, located and checked once per process.

#include <ATen/core/Tensor.h>

#include <string>

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::ops {

struct KernelBackendStatus {
  const KernelBackend* table = nullptr;
  /// The plugin's file, or the one that was rejected; empty if none was found.
  std::string path;
  /// Why there is no backend, and how to fix it; empty if there is one.
  std::string reason, fix;
};

/// Looks for the plugin once: REVIEWKD_CUDA_PLUGIN, the offered file, next to this library, next to libtorch. Call
/// only when CUDA is used: it loads the CUDA half of libtorch.
const KernelBackendStatus& kernel_backend_status();

/// Registers a plugin file to try. Must precede the first use of a device.
void offer_kernel_backend(const std::string& path);

/// The table for tensors of a device; null if no plugin supports it.
const KernelBackend* kernel_backend_of(c10::DeviceType device);

/// The table for an operation on x; also null on the reference path.
const KernelBackend* kernel_backend_for(const at::Tensor& x);

/// Whether its kernels support maps of this type and channel count.
bool accelerates(at::ScalarType type, int64_t channels);
/// Whether the pixels of a map [N, C, H, W], and of one twice as large, can be counted in 32 bits.
bool has_few_pixels(const at::Tensor& map);
/// Both conditions, for a nonempty map [N, C, H, W].
bool accelerates(const at::Tensor& map);

/// The map in this type, in channels-last order and at an aligned address; the same tensor if it already is.
at::Tensor for_kernels(const at::Tensor& map, at::ScalarType type);

/// map: [N, C, H, W] as returned by `for_kernels`.
MapShape map_shape(const at::Tensor& map);
ValueType value_type(at::ScalarType type);

/// float32 values on the device of `like`.
at::Tensor device_floats(at::IntArrayRef sizes, const at::Tensor& like);

/// The tensor's address; null if undefined.
template <typename T = void>
T* address(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

/// Bumps the tensor's version after a kernel has changed it, for caches derived from it.
void mark_changed(const at::Tensor& tensor);

}  // namespace reviewkd::ops
