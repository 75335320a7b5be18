#pragma once
// Which accelerator.h table serves a device: that of the plugin, found and checked once per process.

#include <ATen/core/Tensor.h>

#include <string>

#include "core/ops/backend/kernel_backend.h"

namespace reviewkd::ops {

struct KernelBackendStatus {
  const KernelBackend* table = nullptr;
  /// The plugin's file, or the one that is refused; empty where there is none.
  std::string path;
  /// Why there is none, and what would mend that; empty where there is one.
  std::string reason, fix;
};

/// Looks for the plugin once: REVIEWKD_CUDA_PLUGIN, what was offered, beside this library, beside libtorch. To be asked where CUDA is used: it
/// loads the CUDA half of libtorch.
const KernelBackendStatus& kernel_backend_status();

/// A file to look at, to be told before the first use of a device.
void offer_kernel_backend(const std::string& path);

/// The table for tensors of a device; none where there is no plugin for it.
const KernelBackend* kernel_backend_of(c10::DeviceType device);

/// The same for an operation on x: none on the reference path either.
const KernelBackend* kernel_backend_for(const at::Tensor& x);

/// Whether its kernels take maps of this type and so many channels.
bool accelerates(at::ScalarType type, int64_t channels);
/// Whether the pixels of a map [N, C, H, W], and of one twice as large, can be counted in 32 bits.
bool has_few_pixels(const at::Tensor& map);
/// Both, of a map [N, C, H, W] with elements.
bool accelerates(const at::Tensor& map);

/// The map in this type, in channels-last order and at an address that kernels take; itself where it is so already.
at::Tensor for_kernels(const at::Tensor& map, at::ScalarType type);

/// map: [N, C, H, W] as `for_kernels` gives it.
MapShape map_shape(const at::Tensor& map);
ValueType value_type(at::ScalarType type);

/// float32 values on the device of `like`.
at::Tensor device_floats(at::IntArrayRef sizes, const at::Tensor& like);

/// An undefined tensor's address is none.
template <typename T = void>
T* address(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

/// Tells whoever keeps something that was made of this tensor that a kernel has changed it.
void mark_changed(const at::Tensor& tensor);

}  // namespace reviewkd::ops
