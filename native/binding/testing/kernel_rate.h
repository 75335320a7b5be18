#pragma once
// The rate of one kernel, and the choices of a measurement.

#include <ATen/core/Tensor.h>

#include <string>

namespace reviewkd::binding {

struct KernelRate {
  std::string name;
  double seconds;  // per run
  int64_t bytes;   // minimum that must be read and written
  int64_t operations = 0;  // floating-point operations, two per multiply-add; 0 for memory-bound kernels
};

struct RateOptions {
  c10::Device device;
  at::ScalarType type = at::kFloat;
  /// Maps of [images, channels, side, side]. Larger than a device's caches, otherwise these are measured.
  int64_t images = 512, channels = 64, side = 32;
  int64_t runs = 50;
};

}  // namespace reviewkd::binding
