#pragma once
// The gradient behind an activation, row by row of the images.

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/nhwc_view.h"

namespace reviewkd::ops {

/// Passes over rows of a gradient: masks it by the activation's result, scales it, sums it up by channel.
class GradientRows {
 public:
  /// result: undefined without an activation; scale: [C], undefined for 1.
  GradientRows(const at::Tensor& gradient, const at::Tensor& result, const at::Tensor& scale)
      : kernels_(map_kernels(gradient.scalar_type())->channels),
        channels_(gradient.size(1)),
        width_(gradient.size(3)),
        gradients_(gradient),
        actives_(result),
        zeros_(static_cast<size_t>(channels_)),
        ones_(static_cast<size_t>(channels_), 1.0f),
        scale_(static_cast<size_t>(channels_), 1.0f) {
    if (scale.defined()) std::copy_n(scale.const_data_ptr<float>(), channels_, scale_.begin());
  }

  /// to = scale · the masked gradient.
  void write(int64_t image, int64_t row, void* to) const { transform(map(image, row), scale_.data(), to); }

  /// to = the masked gradient, scaled = scale · to.
  void write(int64_t image, int64_t row, void* to, void* scaled) const {
    transform(map(image, row), ones_.data(), to);
    transform({.gradient = to, .x = to, .mean = zeros_.data(), .active = nullptr, .scale = nullptr, .shift = nullptr},
              scale_.data(), scaled);
  }

  /// sums[c] += the masked gradient's values; `unused`: [C].
  void add(int64_t image, int64_t row, float* sums, float* unused) const {
    kernels_.reduce_gradient(map(image, row), nullptr, sums, unused, width_, channels_);
  }

 private:
  NormalizedMap map(int64_t image, int64_t row) const {
    const char* const gradient = gradients_.pixel(image, row * width_);
    return {.gradient = gradient,
            .x = gradient,
            .mean = zeros_.data(),
            .active = actives_.pixel(image, row * width_),
            .scale = nullptr,
            .shift = nullptr};
  }

  void transform(const NormalizedMap& from, const float* factors, void* to) const {
    kernels_.normalization_gradient(from, factors, zeros_.data(), zeros_.data(), to, width_, channels_);
  }

  const ChannelKernels& kernels_;
  int64_t channels_, width_;
  NhwcView gradients_, actives_;
  std::vector<float> zeros_, ones_, scale_;
};

}  // namespace reviewkd::ops
