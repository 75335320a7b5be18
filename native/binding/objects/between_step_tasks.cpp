#include "binding/objects/between_step_tasks.h"

namespace reviewkd::binding {

void BetweenStepTasks::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
}

bool BetweenStepTasks::waiting() const {
  const std::lock_guard lock(mutex_);
  return !tasks_.empty();
}

void BetweenStepTasks::run(bool within_epoch) {
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  within_epoch_ = within_epoch;
  for (auto& task : tasks) task();
}

}  // namespace reviewkd::binding
