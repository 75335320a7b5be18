#include "core/ops/convolution/tensor_convolution.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {
namespace {

int64_t strided(int64_t size, int64_t stride) { return (size + stride - 1) / stride; }

/// Sets only the sizes.
TensorConvolution sizes_of(const TensorConvolutionInputs& inputs) {
  TensorConvolution call{};
  call.images = inputs.x.size(0);
  call.height = inputs.x.size(2);
  call.width = inputs.x.size(3);
  call.in_channels = inputs.x.size(1);
  call.out_channels = inputs.weight.size(0);
  call.stride = inputs.stride;
  return call;
}

at::Tensor in_bfloat16(const at::Tensor& values) { return values.to(at::kBFloat16).to(at::kDouble); }

/// [1, C, 1, 1]
at::Tensor per_channel(const at::Tensor& values) { return values.to(at::kDouble).view({1, -1, 1, 1}); }

}  // namespace

bool supports_tensor_convolution(const TensorConvolutionInputs& inputs) {
  const KernelBackend* backend = kernel_backend_of(inputs.x.device().type());
  if (backend == nullptr || inputs.x.numel() == 0) return false;
  const c10::OptionalDeviceGuard device(inputs.x.device());
  return backend->tensor_convolution_parts(sizes_of(inputs)) > 0;
}

at::Tensor pack_tensor_weights(const at::Tensor& weight) {
  const c10::OptionalDeviceGuard device(weight.device());
  const at::Tensor ordered = weight.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor packed = at::empty({weight.numel()}, weight.options().dtype(at::kBFloat16));
  kernel_backend_of(weight.device().type())
      ->pack_tensor_weights({.type = value_type(weight.scalar_type()),
                             .in_channels = weight.size(1),
                             .out_channels = weight.size(0),
                             .weights = ordered.const_data_ptr(),
                             .packed = packed.data_ptr()});
  return packed;
}

TensorConvolutionResult tensor_convolution(const TensorConvolutionInputs& inputs, const at::Tensor& packed) {
  const c10::OptionalDeviceGuard device(inputs.x.device());
  const KernelBackend& backend = *kernel_backend_of(inputs.x.device().type());
  const at::Tensor x = for_kernels(inputs.x, at::kBFloat16);
  TensorConvolution call = sizes_of(inputs);
  TensorConvolutionResult result;
  result.output =
      at::empty({call.images, call.out_channels, strided(call.height, call.stride), strided(call.width, call.stride)},
                x.options(), at::MemoryFormat::ChannelsLast);
  if (inputs.origin.defined())
    result.moments = device_floats({backend.tensor_convolution_parts(call), 2, call.out_channels}, x);
  call.x = x.const_data_ptr();
  call.weights = packed.const_data_ptr();
  call.scale = address<float>(inputs.scale);
  call.shift = address<float>(inputs.shift);
  call.origin = address<float>(inputs.origin);
  call.partials = address<float>(result.moments);
  call.out = result.output.data_ptr();
  backend.tensor_convolution(call);
  return result;
}

TensorConvolutionResult reference_tensor_convolution(const TensorConvolutionInputs& inputs) {
  at::Tensor x = in_bfloat16(inputs.x);
  if (inputs.scale.defined()) x = in_bfloat16((per_channel(inputs.scale) * x + per_channel(inputs.shift)).relu());
  TensorConvolutionResult result;
  result.output = at::conv2d(x, in_bfloat16(inputs.weight), {}, inputs.stride, 1);
  if (inputs.origin.defined()) {
    const at::Tensor distance = in_bfloat16(result.output) - per_channel(inputs.origin);
    result.moments = at::stack({distance.sum({0, 2, 3}), distance.square().sum({0, 2, 3})}).unsqueeze(0);
  }
  return result;
}

}  // namespace reviewkd::ops
