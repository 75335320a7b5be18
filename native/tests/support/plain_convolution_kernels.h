#pragma once
// The kernels of direct convolutions as their definitions say, in float, for tests on any processor.

#include <cstring>

#include "core/ops/backend/kernels.h"

namespace reviewkd::tests::plain {

inline void convolve(const ops::Convolution& task) {
  for (int64_t r = 0; r < task.rows; ++r) {
    for (int64_t c = 0; c < task.columns; ++c) {
      const auto* in = static_cast<const float*>(task.in) + r * task.in_row + c * task.in_pixel;
      const int64_t at = r * task.out_row + c * task.out_pixel;
      for (int64_t o = 0; o < task.out_channels; ++o) {
        float sum = task.bias == nullptr ? 0 : task.bias[o];
        for (int64_t t = 0; t < task.taps; ++t) {
          const auto* weights =
              static_cast<const float*>(task.weights) +
              (o / ops::kLanes * task.weight_taps + task.weight_tap[t]) * task.in_channels * ops::kLanes +
              o % ops::kLanes;
          for (int64_t i = 0; i < task.in_channels; ++i) sum += in[task.offsets[t] + i] * weights[i * ops::kLanes];
        }
        if (task.residual != nullptr) sum += static_cast<const float*>(task.residual)[at + o];
        static_cast<float*>(task.out)[at + o] = task.relu && sum < 0 ? 0 : sum;
      }
    }
  }
}

inline int64_t weight_gradient_scratch(const ops::WeightGradient& task) { return 4 * task.rows * task.columns; }

inline void add_weight_gradient(const ops::WeightGradient& task) {
  // Neither input nor gradient may be in this memory.
  std::memset(task.scratch, 0xff, static_cast<size_t>(weight_gradient_scratch(task)));
  for (int64_t r = 0; r < task.rows; ++r) {
    for (int64_t c = 0; c < task.columns; ++c) {
      const auto* in = static_cast<const float*>(task.in) + r * task.in_row + c * task.in_pixel;
      const auto* gradient = static_cast<const float*>(task.gradient) + r * task.gradient_row + c * task.gradient_pixel;
      for (int64_t t = 0; t < task.taps; ++t) {
        for (int64_t i = 0; i < task.in_channels; ++i) {
          float* const sums = task.sums + (t * task.in_channels + i) * task.out_channels;
          for (int64_t o = 0; o < task.out_channels; ++o) sums[o] += in[task.offsets[t] + i] * gradient[o];
        }
      }
    }
  }
}

inline constexpr ops::ConvolutionKernels kKernels{&convolve, &add_weight_gradient, &weight_gradient_scratch};

}  // namespace reviewkd::tests::plain
