#pragma once
// A weighted sum of scalars in float64: on a device, one launch for all of them and one for the gradients.

#include <ATen/core/Tensor.h>

#include <vector>

namespace reviewkd::ops {

/// Σ weights[i] · terms[i], a float64 scalar. In float64 so that the reported sum is exactly the differentiated one,
/// whatever the terms' type.
at::Tensor scalar_sum(const std::vector<at::Tensor>& terms, const std::vector<double>& weights);

}  // namespace reviewkd::ops
