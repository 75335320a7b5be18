#pragma once
// Sessions as JavaScript holds them: each with a native thread of its own.

#include <napi.h>

#include <memory>
#include <utility>

#include "binding/objects/between_step_tasks.h"
#include "binding/support/handle.h"
#include "core/distributed/process_group.h"
#include "core/training/session.h"

namespace reviewkd::binding {

/// A session and the thread that it runs on. The thread ends when the last owner of this releases it.
struct SessionThread {
  std::unique_ptr<Session> session;
  /// The other processes that train with it; null without any.
  std::shared_ptr<ProcessGroup> group;
  std::shared_ptr<WorkerThread> thread;
  /// Work that does not wait for the epoch that runs.
  BetweenStepTasks between_steps;

  ~SessionThread() {
    if (!thread) return;
    // Closing connections may take seconds, which JavaScript's thread must not wait.
    if (group) thread->post([session = std::shared_ptr<Session>(std::move(session))]() mutable { session.reset(); });
    thread->close();
  }
};

class SessionHandle : public Handle<SessionHandle, SessionThread> {
 public:
  static constexpr const char* kName = "Session";
  static constexpr napi_type_tag kTag = {0x37f2b8dc5a904e1b, 0xd640c9e31b758fa2};

  using Handle::Handle;
  static void define(Napi::Env env);
};

/// (target: Distiller | Model, options, { group: ProcessGroup, name, localRank }?) -> Promise<Session>; options as
/// StepOptions in lib/config/schemas/training.ts; name: the same in all processes, used once.
Napi::Value create_session(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
