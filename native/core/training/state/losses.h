#pragma once
// Values of the losses of a step, or their sums or means over many images.

#include <functional>
#include <string>
#include <vector>

namespace reviewkd {

/// Of the task.
struct TaskLoss {
  std::string name;
  double value = 0;
};

/// Of one method.
struct TermLosses {
  std::string kind;
  /// Stage weights included, λ not.
  double loss = 0;
  /// λ.
  double weight = 0;
  /// Distance by stage of the teacher, without weights.
  std::vector<double> per_stage;
};

struct Losses {
  /// The task's losses by their weights + distillation_weight · distillation.
  double total = 0;
  std::vector<TaskLoss> task;
  /// The loss of the one method, before it is weighted by λ; of a sum Σ λ · loss, of which the weight is 1.
  double distillation = 0;
  double distillation_weight = 0;
  std::vector<TermLosses> terms;

  /// Of all terms, one after the other.
  std::vector<double> per_stage() const;

  /// The task's losses, then of each term its loss and its stages: as ForwardResult::loss_vector has them.
  std::vector<double> loss_vector() const;

  /// Adds `factor` times each value. `other` must have the same losses and terms, unless there are none here yet.
  void add(const Losses& other, double factor);

  /// Visits every number.
  void for_each(const std::function<void(double&)>& visit);
};

}  // namespace reviewkd
