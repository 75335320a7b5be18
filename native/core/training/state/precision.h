#pragma once
// How a network computes: in its parameters' own type, or convolutions and matrix products in bfloat16.

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <torch/nn/module.h>

#include <string>

#include "core/base/options.h"

namespace reviewkd {

enum class Precision { kFloat32, kBfloat16 };

struct Precisions {
  Precision student = Precision::kFloat32;
  Precision teacher = Precision::kFloat32;
};

Precision precision_from(const Options& options, const std::string& field);

/// While it lives, operations of this thread on `device` run in the given precision (PyTorch's autocast).
class PrecisionScope {
 public:
  PrecisionScope(Precision precision, c10::Device device);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  at::DeviceType device_;
  bool was_enabled_;
  at::ScalarType previous_type_;
};

/// `images` on the network's device and in its type, in the memory order in which its convolutions run fastest.
at::Tensor as_input(const at::Tensor& images, at::ScalarType dtype, c10::Device device);

/// Brings the module's convolution weights into the memory order of `as_input`.
void use_fast_memory_order(torch::nn::Module& module);

}  // namespace reviewkd
