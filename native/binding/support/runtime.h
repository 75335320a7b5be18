#pragma once
// State of this addon per JavaScript environment (the main thread or a worker). Nothing is shared between
// environments.

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "binding/support/worker_thread.h"
#include "core/data/queues/batch_queue.h"

namespace reviewkd::binding {

/// Set to stop a long operation after its current step.
using StopFlag = std::shared_ptr<std::atomic<bool>>;

/// Carries work from native threads to the environment's own. Outlives the environment: posts after its end are
/// dropped.
class Completions {
 public:
  using Callback = std::function<void(Napi::Env)>;

  explicit Completions(Napi::Env env);

  /// From any thread: run `callback` on the environment's thread.
  void post(Callback callback);

  /// An operation begins or ends. While one runs, the process stays alive. On the environment's thread.
  void begin(Napi::Env env);
  void end(Napi::Env env);

  /// The environment shuts down: drops all later posts.
  void close();

 private:
  static void call(Napi::Env env, Napi::Function, std::nullptr_t*, Callback* callback);
  using Function = Napi::TypedThreadSafeFunction<std::nullptr_t, Callback, &Completions::call>;

  std::mutex mutex_;
  Function function_;
  bool closed_ = false;
  int pending_ = 0;
};

class Runtime {
 public:
  explicit Runtime(Napi::Env env);

  static Runtime& of(Napi::Env env) { return *env.GetInstanceData<Runtime>(); }

  const std::shared_ptr<Completions>& completions() const { return completions_; }

  /// The thread for work that belongs to no session.
  const std::shared_ptr<WorkerThread>& background() const { return background_; }

  /// A dedicated thread for a session, joined at shutdown of the environment.
  std::shared_ptr<WorkerThread> new_thread();

  /// A flag that is also set at shutdown of the environment.
  StopFlag new_stop_flag();

  /// Cancels the queue at shutdown of the environment, so that no thread waits for it.
  void watch(const std::shared_ptr<BatchQueue>& queue);

  /// The class used to create errors; empty until `set_error_class`.
  Napi::Function error_class() const;
  /// `follow` receives each promise of native work within the call that began it, and returns the caller's: an error
  /// that arrives later can name the place of the call. Empty: promises are returned as they are.
  void set_error_class(Napi::Function error_class, Napi::Function follow);
  Napi::Promise followed(Napi::Promise promise) const;

  /// JavaScript functions that native threads call by number: references may be touched only on the environment's
  /// thread.
  uint64_t keep_callback(Napi::Function callback);
  void drop_callback(uint64_t number);
  Napi::Function callback(uint64_t number) const;

  /// Classes of wrapped objects by name.
  void set_constructor(const std::string& name, Napi::Function constructor);
  Napi::Function constructor(const std::string& name) const;

  /// Stops running work within a step and waits for it; later results are dropped. Idempotent.
  void shut_down();

  /// As `shut_down`, but ends the process with `exit_code` if work is still running after half a second, also in other
  /// environments.
  void shut_down_or_exit(int exit_code);

 private:
  /// Asks running work to stop.
  void stop_work();

  std::shared_ptr<Completions> completions_;
  std::shared_ptr<WorkerThread> background_;
  std::vector<std::shared_ptr<WorkerThread>> threads_;
  std::vector<std::weak_ptr<std::atomic<bool>>> stop_flags_;
  std::vector<std::weak_ptr<BatchQueue>> queues_;
  Napi::FunctionReference error_class_;
  Napi::FunctionReference follow_;
  std::unordered_map<uint64_t, Napi::FunctionReference> callbacks_;
  std::unordered_map<std::string, Napi::FunctionReference> constructors_;
  uint64_t next_callback_ = 0;
};

}  // namespace reviewkd::binding
