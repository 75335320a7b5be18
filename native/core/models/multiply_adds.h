#pragma once
// The arithmetic cost of a network, counted while it runs, whatever its architecture.

#include <cstdint>
#include <functional>

namespace reviewkd {

/// Multiply-adds of the convolutions and linear layers that the calling thread runs in `pass`: one multiplication
/// with its addition counts as 1. Biases, normalizations, activations, poolings and resizes are excluded, as is
/// customary.
int64_t count_multiply_adds(const std::function<void()>& pass);

}  // namespace reviewkd
