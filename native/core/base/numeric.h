#pragma once
// Arithmetic types that more than one layer must agree on.

#include <ATen/core/Tensor.h>

namespace reviewkd {

/// Losses are computed in float32 or better, whatever type the networks compute in.
inline at::Tensor at_least_float32(const at::Tensor& values) {
  return values.scalar_type() == at::kBFloat16 || values.scalar_type() == at::kHalf ? values.to(at::kFloat) : values;
}

}  // namespace reviewkd
