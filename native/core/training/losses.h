#pragma once
// Values of the losses of a step, or their sums or means over many images.

#include <functional>
#include <string>
#include <vector>

namespace reviewkd {

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
  /// cross_entropy + distillation_weight · distillation.
  double total = 0;
  double cross_entropy = 0;
  /// The loss of the one method with its λ beside it; of a sum Σ λ · loss, beside which stands 1.
  double distillation = 0;
  double distillation_weight = 0;
  std::vector<TermLosses> terms;

  /// Of all terms, one after the other.
  std::vector<double> per_stage() const;

  /// Adds `factor` times each value. `other` must have the same terms, unless there are none here yet.
  void add(const Losses& other, double factor);

  /// Visits every number.
  void for_each(const std::function<void(double&)>& visit);
};

}  // namespace reviewkd
