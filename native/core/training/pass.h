#pragma once
// What a forward pass of a batch, or of a part of one, gives a step of training.

#include <vector>

#include "core/distillation/method.h"

namespace reviewkd {

struct Pass {
  at::Tensor logits;  // [N, classes]
  at::Tensor cross_entropy;
  std::vector<MethodOutput> terms;
  double teacher_seconds = 0;
  double student_seconds = 0;

  /// [cross entropy, then of each term its loss and its stages], float64, without gradient.
  at::Tensor values() const;
};

}  // namespace reviewkd
