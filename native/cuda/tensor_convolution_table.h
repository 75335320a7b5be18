#pragma once
// The tensor core convolution of kernel_backend.h as kernel launches, included by kernel_table.h; the including file
// provides `launch`, `launch_warps` and `supports_warps`.

#include <stdexcept>
#include <string>
#include <type_traits>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/tensor_convolution.h"

namespace reviewkd::cuda {
namespace {

/// Calls work with the number as a constant if it is one of `kNumbers`.
template <int... kNumbers, typename Work>
bool with_constant(int64_t number, const Work& work) {
  return ((number == kNumbers && (work(std::integral_constant<int, kNumbers>{}), true)) || ...);
}

/// Calls work with the kernel for these channels and this stride, if there is one.
template <typename Work>
void with_tensor_convolution(const ops::TensorConvolution& call, const Work& work) {
  with_constant<16, 32, 64>(call.in_channels, [&](auto in) {
    with_constant<16, 32, 64>(call.out_channels, [&](auto out) {
      with_constant<1, 2>(call.stride, [&](auto stride) { work(TensorConvolution<in(), out(), stride()>{call}); });
    });
  });
}

int64_t tensor_convolution_parts(const ops::TensorConvolution& call) {
  int64_t parts = 0;
  with_tensor_convolution(call, [&](const auto& kernel) {
    parts = supports_warps<std::decay_t<decltype(kernel)>>() ? kernel.blocks() : 0;
  });
  return parts;
}

void pack_tensor_weights(const ops::TensorConvolutionWeights& call) {
  if (call.type == ops::ValueType::kFloat) {
    launch(PackTensorWeights<float>{call});
  } else {
    launch(PackTensorWeights<Bfloat16>{call});
  }
}

void tensor_convolution(const ops::TensorConvolution& call) {
  if (tensor_convolution_parts(call) == 0 && call.images > 0) {
    throw std::runtime_error(
        "invalid tensor core convolution: expected 16, 32 or 64 channels and a stride of 1 or 2 on a device of compute "
        "capability 8.0 or later, received " +
        std::to_string(call.in_channels) + " to " + std::to_string(call.out_channels) + " channels and a stride of " +
        std::to_string(call.stride) + ". Call tensor_convolution_parts first.");
  }
  with_tensor_convolution(call, [](const auto& kernel) { launch_warps(kernel); });
}

}  // namespace
}  // namespace reviewkd::cuda
