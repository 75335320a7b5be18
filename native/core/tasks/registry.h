#pragma once
// The tasks that there are, and the one of each network.

#include <memory>
#include <vector>

#include "core/models/detection/weights/detector_kind.h"
#include "core/tasks/task.h"

namespace reviewkd {

const std::vector<std::shared_ptr<const Task>>& task_registry();

/// The task that a network is made for.
std::shared_ptr<const Task> task_of(const Network& network);
/// The task of all detectors of a kind.
std::shared_ptr<const Task> task_of(DetectorKind kind);

}  // namespace reviewkd
