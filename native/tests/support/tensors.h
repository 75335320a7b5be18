#pragma once
// Tensors for tests: repeatable values, and comparisons with results in double.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "tests/support/values.h"

namespace reviewkd::tests {

/// Values of `noise`, times a factor, in float32 or float64; maps [N, C, H, W] in channels-last order.
inline at::Tensor noise_tensor(at::IntArrayRef sizes, int64_t seed, at::ScalarType type = at::kFloat,
                               double factor = 1.0) {
  at::Tensor values = at::empty(sizes, at::kFloat);
  for (int64_t i = 0; i < values.numel(); ++i)
    values.data_ptr<float>()[i] = noise(i, seed) * static_cast<float>(factor);
  return sizes.size() == 4 ? values.to(type).contiguous(at::MemoryFormat::ChannelsLast) : values.to(type);
}

/// The same values as a leaf of another graph.
inline at::Tensor leaf(const at::Tensor& values, at::ScalarType type) {
  return values.detach().to(type, false, /*copy=*/true).requires_grad_(true);
}

/// The largest difference, relative to the largest value of `expected` where that is above 1.
inline double distance(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.numel() == 0) return 0;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  return (actual.detach().to(at::kDouble) - expected.detach().to(at::kDouble)).abs().max().item<double>() / scale;
}

inline void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance, const char* what) {
  ASSERT_TRUE(actual.defined()) << what;
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  // NaN is greater than no tolerance, but not below one either.
  EXPECT_TRUE(distance(actual, expected) <= tolerance)
      << what << " differs by " << distance(actual, expected) << ", more than " << tolerance;
}

/// The gradients of Σ output · upstream by each input.
inline std::vector<at::Tensor> gradients_of(const at::Tensor& output, const at::Tensor& upstream,
                                            const std::vector<at::Tensor>& inputs) {
  return torch::autograd::grad({output}, inputs, {upstream.to(output.scalar_type())});
}

}  // namespace reviewkd::tests
