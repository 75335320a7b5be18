#pragma once
// Arithmetic types that more than one layer must agree on.

#include <ATen/core/Tensor.h>

namespace reviewkd {

/// The name of an element type in messages, such as float32: libtorch's own "Float" is no word of this package.
inline const char* type_name(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return "float64";
    case at::kFloat: return "float32";
    case at::kBFloat16: return "bfloat16";
    case at::kHalf: return "float16";
    case at::kLong: return "int64";
    case at::kInt: return "int32";
    case at::kShort: return "int16";
    case at::kChar: return "int8";
    case at::kByte: return "uint8";
    case at::kBool: return "bool";
    default: return c10::toString(type);
  }
}

/// Losses are computed in float32 or better, whatever type the networks compute in. The conversion is called even where
/// it changes nothing, so that a trace contains it.
inline at::Tensor at_least_float32(const at::Tensor& values) {
  return values.to(values.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
}

}  // namespace reviewkd
