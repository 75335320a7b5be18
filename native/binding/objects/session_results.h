#pragma once
// What sessions and evaluations report, as JavaScript sees it. Losses and metrics carry the names that their task gives
// them.

#include <napi.h>

#include "core/tasks/task.h"
#include "core/training/session.h"

namespace reviewkd::binding {

/// { losses, step, learningRate, seconds, gradientNorm }
Napi::Value to_js(Napi::Env env, const StepResult& result);

/// As EpochSummary in lib's schemas.
Napi::Value to_js(Napi::Env env, const EpochState& state, const TaskInfo& task);

/// { [metric]: number, samples, perClass: { [column]: number }[] }
Napi::Value to_js(Napi::Env env, const Evaluation& evaluation);

/// As TaskInfo in lib's schemas.
Napi::Value to_js(Napi::Env env, const TaskInfo& task);

/// () -> TaskInfo[]
Napi::Value list_tasks(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
