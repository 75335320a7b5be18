#include "core/training/state/losses.h"

#include <c10/util/Exception.h>

namespace reviewkd {

std::vector<double> Losses::per_stage() const {
  std::vector<double> all;
  for (const auto& term : terms) all.insert(all.end(), term.per_stage.begin(), term.per_stage.end());
  return all;
}

std::vector<double> Losses::loss_vector() const {
  std::vector<double> values;
  values.reserve(task.size());
  for (const auto& loss : task) values.push_back(loss.value);
  for (const auto& term : terms) {
    values.push_back(term.loss);
    values.insert(values.end(), term.per_stage.begin(), term.per_stage.end());
  }
  return values;
}

void Losses::add(const Losses& other, double factor) {
  if (task.empty()) {
    for (const auto& loss : other.task) task.push_back({loss.name, 0});
  }
  if (terms.empty()) {
    for (const auto& term : other.terms) terms.push_back({term.kind, 0, 0, std::vector<double>(term.per_stage.size())});
  }
  std::vector<double> values;
  Losses(other).for_each([&](double& value) { values.push_back(value); });
  size_t next = 0;
  for_each([&](double& value) { value += factor * values.at(next++); });
  TORCH_INTERNAL_ASSERT(next == values.size(), "losses of other terms");
}

void Losses::for_each(const std::function<void(double&)>& visit) {
  visit(total);
  for (auto& loss : task) visit(loss.value);
  visit(distillation);
  visit(distillation_weight);
  for (auto& term : terms) {
    visit(term.loss);
    visit(term.weight);
    for (double& stage : term.per_stage) visit(stage);
  }
}

}  // namespace reviewkd
