#include "core/tasks/registry.h"

#include "core/base/error.h"
#include "core/models/detection/detector.h"
#include "core/tasks/classification/classification.h"
#include "core/tasks/detection/detection.h"

namespace reviewkd {
namespace {

std::shared_ptr<const Task> find_task(const std::string& name) {
  for (const auto& task : task_registry()) {
    if (task->info().name == name) return task;
  }
  fail(ErrorCode::kInternal, "invalid task: expected one of the registry, received ", name, ".");
}

}  // namespace

const std::vector<std::shared_ptr<const Task>>& task_registry() {
  static const std::vector<std::shared_ptr<const Task>> tasks = {
      std::make_shared<Classification>(),
      std::make_shared<Detection>(DetectorKind::kFasterRcnn),
      std::make_shared<Detection>(DetectorKind::kRetinaNet),
      std::make_shared<Detection>(DetectorKind::kMaskRcnn),
  };
  return tasks;
}

std::shared_ptr<const Task> task_of(const Network& network) {
  const auto* detector = dynamic_cast<const detection::DetectorImpl*>(network.module.get());
  return detector == nullptr ? find_task("classification") : task_of(detector->options().kind);
}

std::shared_ptr<const Task> task_of(DetectorKind kind) { return find_task(task_name(kind)); }

}  // namespace reviewkd
