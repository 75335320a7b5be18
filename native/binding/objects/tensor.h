#pragma once
// JavaScript handles for tensors: native memory, copied to a typed array on request.

#include <ATen/ATen.h>
#include <napi.h>

#include "binding/support/handle.h"
#include "core/models/state_dict.h"

namespace reviewkd::binding {

class TensorHandle : public Handle<TensorHandle, at::Tensor> {
 public:
  static constexpr const char* kName = "Tensor";
  static constexpr napi_type_tag kTag = {0x8f1c6b1f0a7d4e52, 0x9d0e6a3c5b714f21};

  using Handle::Handle;
  static void define(Napi::Env env);

  /// Creates an object for `tensor`, which must not change afterwards.
  static Napi::Object from(Napi::Env env, const at::Tensor& tensor);

 private:
  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value to_typed_array(const Napi::CallbackInfo& info);
};

/// (values: TypedArray, shape: number[], dtype: string) -> Tensor. Copies.
Napi::Value tensor_from(const Napi::CallbackInfo& info);

/// [[name, Tensor], …] in both directions.
Napi::Value to_entries(Napi::Env env, const NamedTensors& tensors);
NamedTensors entries_of(const Napi::Value& value);

Napi::Array to_array(Napi::Env env, const std::vector<at::Tensor>& tensors);
Napi::Array to_array(Napi::Env env, const std::vector<std::string>& strings);
Napi::Array to_array(Napi::Env env, const std::vector<double>& numbers);
Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& numbers);

/// A contiguous copy of a tensor on the CPU, without a gradient.
at::Tensor for_javascript(const at::Tensor& tensor);

const char* dtype_name(at::ScalarType dtype);
at::ScalarType parse_dtype(const std::string& name);

}  // namespace reviewkd::binding
