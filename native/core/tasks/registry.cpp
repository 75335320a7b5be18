#include "core/tasks/registry.h"

#include "core/tasks/classification/classification.h"

namespace reviewkd {

const std::vector<std::shared_ptr<const Task>>& task_registry() {
  static const std::vector<std::shared_ptr<const Task>> tasks = {std::make_shared<Classification>()};
  return tasks;
}

// Every backbone of the registry is a classifier.
std::shared_ptr<const Task> task_of(const Network&) { return task_registry().front(); }

}  // namespace reviewkd
