#pragma once
// How fast an accelerator's kernels are, beside a copy of the same device in the same run.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace reviewkd::ops {

struct KernelRate {
  std::string name;
  double seconds;  // of one run
  int64_t bytes;   // that it must read and write at least
  int64_t operations = 0;  // of floating point, two for a multiply-add; 0 for kernels that memory alone limits
};

struct RateOptions {
  c10::Device device;
  at::ScalarType type = at::kFloat;
  /// Maps of [images, channels, side, side]. Larger than a device's caches, or these are measured.
  int64_t images = 512, channels = 64, side = 32;
  int64_t runs = 50;
};

/// The first is the copy. None where no accelerator serves the device.
std::vector<KernelRate> measure_kernels(const RateOptions& options);

}  // namespace reviewkd::ops
