#include "binding/objects/tensor.h"

#include <cstring>

#include "binding/support/arguments.h"
#include "core/base/numeric.h"

namespace reviewkd::binding {
namespace {

struct DTypeRow {
  const char* name;
  at::ScalarType dtype;
};

constexpr DTypeRow kDTypes[] = {
    {"float64", at::kDouble}, {"float32", at::kFloat}, {"bfloat16", at::kBFloat16},
    {"int64", at::kLong},     {"uint8", at::kByte},
};

/// The tensor type that holds a typed array's elements without conversion; int64 for the remaining integer types.
at::ScalarType element_type(napi_typedarray_type type) {
  switch (type) {
    case napi_float32_array: return at::kFloat;
    case napi_float64_array: return at::kDouble;
    case napi_bigint64_array: return at::kLong;
    case napi_uint8_array: return at::kByte;
    case napi_int32_array: return at::kInt;
    case napi_int16_array: return at::kShort;
    case napi_int8_array: return at::kChar;
    default:
      fail(ErrorCode::kDtypeMismatch,
           "invalid tensor values: expected a Float32Array, Float64Array, BigInt64Array, Uint8Array or Int32Array.");
  }
}

template <typename Array, typename Element>
Napi::Value copied(Napi::Env env, const at::Tensor& tensor) {
  Array array = Array::New(env, tensor.numel());
  if (tensor.numel() > 0) std::memcpy(array.Data(), tensor.const_data_ptr<Element>(), tensor.nbytes());
  return array;
}

}  // namespace

const char* dtype_name(at::ScalarType dtype) {
  for (const auto& row : kDTypes) {
    if (row.dtype == dtype) return row.name;
  }
  fail(ErrorCode::kDtypeMismatch, "invalid tensor type: expected float64, float32, bfloat16, int64 or uint8, received ",
       type_name(dtype), ".");
}

at::ScalarType parse_dtype(const std::string& name) {
  for (const auto& row : kDTypes) {
    if (name == row.name) return row.dtype;
  }
  fail(ErrorCode::kInvalidArgument, "invalid dtype: expected float64, float32, bfloat16, int64 or uint8, received \"",
       name, "\".");
}

void TensorHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("shape", &TensorHandle::shape), InstanceMethod("dtype", &TensorHandle::dtype),
                 InstanceMethod("toTypedArray", &TensorHandle::to_typed_array));
}

Napi::Object TensorHandle::from(Napi::Env env, const at::Tensor& tensor) {
  return create(env, std::make_shared<at::Tensor>(tensor), static_cast<int64_t>(tensor.nbytes()));
}

Napi::Value TensorHandle::shape(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto tensor = resource();
    Napi::Array shape = Napi::Array::New(info.Env(), tensor->dim());
    for (int64_t i = 0; i < tensor->dim(); ++i)
      shape.Set(static_cast<uint32_t>(i), static_cast<double>(tensor->size(i)));
    return shape;
  });
}

Napi::Value TensorHandle::dtype(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(),
                              [&] { return Napi::String::New(info.Env(), dtype_name(resource()->scalar_type())); });
}

Napi::Value TensorHandle::to_typed_array(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const at::Tensor tensor = for_javascript(*resource());
    switch (tensor.scalar_type()) {
      case at::kDouble: return copied<Napi::Float64Array, double>(env, tensor);
      case at::kFloat: return copied<Napi::Float32Array, float>(env, tensor);
      case at::kBFloat16: return copied<Napi::Float32Array, float>(env, tensor.to(at::kFloat));
      case at::kLong: return copied<Napi::BigInt64Array, int64_t>(env, tensor);
      case at::kByte: return copied<Napi::Uint8Array, uint8_t>(env, tensor);
      default:
        fail(ErrorCode::kDtypeMismatch, "invalid tensor type: expected one with a JavaScript typed array, received ",
             type_name(tensor.scalar_type()), ".");
    }
  });
}

Napi::Value tensor_from(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    if (info.Length() != 3 || !info[0].IsTypedArray())
      fail(ErrorCode::kInvalidArgument, "invalid tensor values: expected a typed array.");
    const auto values = info[0].As<Napi::TypedArray>();
    const auto shape = integers_of(info[1], "shape");
    const auto dtype = parse_dtype(string_of(info[2], "dtype"));
    int64_t count = 1;
    for (const int64_t length : shape) {
      if (length < 0 || __builtin_mul_overflow(count, length, &count))
        fail(ErrorCode::kShapeMismatch, "invalid shape: expected lengths ≥ 0 whose product fits 64 bits, received ",
             at::IntArrayRef(shape), ".");
    }
    if (count != static_cast<int64_t>(values.ElementLength())) {
      fail(ErrorCode::kShapeMismatch, "invalid tensor values: expected ", count, " for shape ", at::IntArrayRef(shape),
           ", received ", values.ElementLength(), ".");
    }
    const at::Tensor raw = at::empty(shape, element_type(values.TypedArrayType()));
    if (count > 0) {
      const ArrayBytes bytes = array_bytes(values);
      std::memcpy(raw.mutable_data_ptr(), bytes.first, bytes.size);
    }
    return TensorHandle::from(info.Env(), raw.to(dtype));
  });
}

Napi::Value to_entries(Napi::Env env, const NamedTensors& tensors) {
  Napi::Array entries = Napi::Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    Napi::Array entry = Napi::Array::New(env, 2);
    entry.Set(0u, tensors[i].first);
    entry.Set(1u, TensorHandle::from(env, tensors[i].second));
    entries.Set(i, entry);
  }
  return entries;
}

NamedTensors entries_of(const Napi::Value& value) {
  if (!value.IsArray()) fail(ErrorCode::kInvalidArgument, "invalid state dict: expected a list of names and tensors.");
  const auto array = value.As<Napi::Array>();
  NamedTensors tensors;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value entry = array.Get(i);
    if (!entry.IsArray()) fail(ErrorCode::kInvalidArgument, "invalid state dict entry: expected a name and a tensor.");
    const auto pair = entry.As<Napi::Array>();
    tensors.emplace_back(string_of(pair.Get(0u), "state dict name"), *TensorHandle::unwrap(pair.Get(1u)));
  }
  return tensors;
}

Napi::Array to_array(Napi::Env env, const std::vector<at::Tensor>& tensors) {
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) array.Set(i, TensorHandle::from(env, tensors[i]));
  return array;
}

Napi::Array to_array(Napi::Env env, const std::vector<std::string>& strings) {
  Napi::Array array = Napi::Array::New(env, strings.size());
  for (size_t i = 0; i < strings.size(); ++i) array.Set(i, strings[i]);
  return array;
}

Napi::Array to_array(Napi::Env env, const std::vector<double>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) array.Set(i, numbers[i]);
  return array;
}

Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& numbers) {
  return to_array(env, std::vector<double>(numbers.begin(), numbers.end()));
}

at::Tensor for_javascript(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU).contiguous(); }

}  // namespace reviewkd::binding
