#pragma once
// The losses of a batch, or of a part of one, before their backward pass.

#include <functional>
#include <vector>

#include "core/distillation/method.h"

namespace reviewkd {

struct ForwardResult {
  /// A scalar for each loss of the task.
  std::vector<at::Tensor> task_losses;
  /// The sum of the task's training metric over the images, a scalar; empty without such a metric.
  std::function<at::Tensor()> metric_sum;
  std::vector<MethodOutput> terms;
  double teacher_seconds = 0;
  double student_seconds = 0;

  /// The task's losses, then of each term its loss and its stages.
  std::vector<at::Tensor> scalars() const;
  /// The same as one tensor, float64, without gradient.
  at::Tensor loss_vector() const;
};

}  // namespace reviewkd
