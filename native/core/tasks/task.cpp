#include "core/tasks/task.h"

#include <algorithm>
#include <set>

#include "core/base/error.h"

namespace reviewkd {

std::string MetricAccumulator::pack() const {
  fail(ErrorCode::kInvalidArgument, "invalid evaluation: expected one whose results can be merged.");
}

void MetricAccumulator::merge(const std::vector<std::string>&) {
  fail(ErrorCode::kInvalidArgument, "invalid evaluation: expected one whose results can be merged.");
}

void check_info(const TaskInfo& info) {
  // Names that results use otherwise.
  std::set<std::string> losses = {"total", "distillation", "distillationWeight", "perStage", "terms"};
  std::set<std::string> metrics = {"epoch", "samples", "perClass"};
  const auto add = [&](std::set<std::string>& names, const std::string& name) {
    if (name.empty() || !names.insert(name).second) {
      fail(ErrorCode::kInternal, "invalid task ", info.name, ": expected names that are unique, received \"", name,
           "\" twice or as a reserved one.");
    }
  };
  for (const LossInfo& loss : info.losses) add(losses, loss.name);
  for (const MetricInfo& metric : info.metrics) add(metrics, metric.name);
  const bool has_primary = std::any_of(info.metrics.begin(), info.metrics.end(),
                                       [&](const MetricInfo& metric) { return metric.name == info.primary_metric; });
  if (info.losses.empty() || !has_primary) {
    fail(ErrorCode::kInternal, "invalid task ", info.name,
         ": expected a loss, and a primary metric among its metrics, received \"", info.primary_metric, "\".");
  }
}

}  // namespace reviewkd
