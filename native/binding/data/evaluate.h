#pragma once
// Evaluations of networks on data, called from JavaScript.

#include <napi.h>

#include <functional>
#include <memory>

#include "binding/support/worker_thread.h"
#include "core/models/backbone.h"
#include "core/tasks/task.h"
#include "core/training/evaluator.h"

namespace reviewkd::binding {

/// Runs an evaluation with the other processes of a session, which the argument receives; may be empty.
using RunEvaluation = std::function<Evaluation(const std::function<Evaluation(Peers*)>&)>;

/// Evaluates on `thread`: (dataset, split, { batchSize, precision }, stop, onProgress?) from the arguments of `info`.
Napi::Value evaluate_on(const Napi::CallbackInfo& info, const std::shared_ptr<WorkerThread>& thread,
                        const std::shared_ptr<Network>& network, const std::shared_ptr<const Task>& task,
                        const std::function<void()>& prepare_thread, const RunEvaluation& run = {});

}  // namespace reviewkd::binding
