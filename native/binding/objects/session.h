#pragma once
// Sessions as JavaScript holds them: each with a native thread of its own.

#include <napi.h>

#include <deque>
#include <functional>
#include <mutex>

#include "binding/support/handle.h"
#include "core/training/session.h"

namespace reviewkd::binding {

/// Work that is done between two steps of an epoch, on the session's thread. Where no epoch runs it is done all the same, and told so.
class BetweenStepTasks {
 public:
  /// From any thread. A task must not throw.
  void post(std::function<void()> task);

  /// On the session's thread: does what was posted. `within_epoch`: between two steps.
  void run(bool within_epoch);

  /// From any thread: whether there is something to be done.
  bool waiting() const;

  /// For tasks.
  bool within_epoch() const { return within_epoch_; }

 private:
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  bool within_epoch_ = false;
};

/// A session and the thread that it runs on. The thread ends when the last user of this lets go.
struct SessionThread {
  std::unique_ptr<Session> session;
  std::shared_ptr<WorkerThread> thread;
  /// Work that does not wait for the epoch that runs.
  BetweenStepTasks interjections;

  ~SessionThread() {
    if (thread) thread->close();
  }
};

class SessionHandle : public Handle<SessionHandle, SessionThread> {
 public:
  static constexpr const char* kName = "Session";
  static constexpr napi_type_tag kTag = {0x37f2b8dc5a904e1b, 0xd640c9e31b758fa2};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value train_epoch(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value position(const Napi::CallbackInfo& info);
  Napi::Value configure(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value save_within_epoch(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
};

/// (target: Distiller | Model, options) -> Promise<Session>; options as StepOptions in lib/schemas/training.ts.
Napi::Value create_session(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
