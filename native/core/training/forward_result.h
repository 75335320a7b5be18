#pragma once
// What a forward pass of a batch, or of a part of one, gives a step of training.

#include <vector>

#include "core/distillation/method.h"

namespace reviewkd {

struct Pass {
  at::Tensor logits;  // [N, classes]
  at::Tensor cross_entropy;
  /// The number of images classified correctly, a float32 scalar; undefined if it was not counted on the way.
  at::Tensor correct;
  std::vector<MethodOutput> terms;
  double teacher_seconds = 0;
  double student_seconds = 0;

  /// The cross entropy, then of each term its loss and its stages.
  std::vector<at::Tensor> scalars() const;
  /// The same as one tensor, float64, without gradient.
  at::Tensor values() const;
};

}  // namespace reviewkd
