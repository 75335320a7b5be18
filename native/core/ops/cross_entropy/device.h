#pragma once
// Mean cross entropy on a device, with the number of images classified correctly, in one pass over the logits.

#include <ATen/core/Tensor.h>

#include <optional>

namespace reviewkd::ops {

struct Classified {
  at::Tensor cross_entropy;  // float32 scalar
  at::Tensor correct;        // float32 scalar, without gradient
};

/// logits: [N, classes]; labels: [N], int64, each a class. Returns nullopt for an unsupported device or type.
std::optional<Classified> cross_entropy_on_device(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace reviewkd::ops
