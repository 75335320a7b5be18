#pragma once
// The distance of a student's map from the teacher's.

#include <torch/types.h>

#include "core/base/options.h"

namespace reviewkd {

enum class Distance {
  /// The hierarchical context loss (hcl.h).
  kHcl,
  /// The mean squared error of all elements.
  kL2,
};

/// The field "distance"; default: kHcl.
Distance distance_from(const Options& options);

/// The distance of two maps of one shape [N, C, H, W]; a scalar in float32 or better.
at::Tensor distance_between(const at::Tensor& student, const at::Tensor& teacher, Distance distance);

}  // namespace reviewkd
