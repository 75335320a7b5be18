#pragma once
// Promises for work on native threads.

#include <napi.h>

#include <functional>
#include <memory>
#include <utility>

#include "binding/support/errors.h"
#include "binding/support/runtime.h"

namespace reviewkd::binding {

/// Runs `work()` on `thread` (a WorkerThread, or anything with `post`) and resolves with `convert(env, result)` on
/// the environment's thread, or rejects with the exception that either threw; `settled(env)` runs first in both
/// cases. `work` must not touch Napi.
template <typename Thread, typename Work, typename Convert>
Napi::Promise run_async(Napi::Env env, const std::shared_ptr<Thread>& thread, Work work, Convert convert,
                        std::function<void(Napi::Env)> settled = {}) {
  using Result = decltype(work());
  struct State {
    State(Napi::Env env, Work work, Convert convert, std::function<void(Napi::Env)> settled)
        : deferred(env), work(std::move(work)), convert(std::move(convert)), settled(std::move(settled)) {}
    Napi::Promise::Deferred deferred;
    Work work;
    Convert convert;
    std::function<void(Napi::Env)> settled;
    std::unique_ptr<Result> result;
    std::exception_ptr error;
  };
  auto state = std::make_shared<State>(env, std::move(work), std::move(convert), std::move(settled));
  const Napi::Promise promise = state->deferred.Promise();
  const auto completions = Runtime::of(env).completions();
  completions->begin(env);
  thread->post([state, completions] {
    try {
      state->result = std::make_unique<Result>(state->work());
    } catch (...) {
      state->error = std::current_exception();
    }
    completions->post([state, completions](Napi::Env env) {
      completions->end(env);
      if (state->settled) state->settled(env);
      try {
        if (state->error) throw to_js_error(env, state->error);
        state->deferred.Resolve(translate_exceptions(env, [&] { return state->convert(env, *state->result); }));
      } catch (const Napi::Error& error) {
        state->deferred.Reject(error.Value());
      }
    });
  });
  return Runtime::of(env).followed(promise);
}

/// A promise, and the function that settles it from any thread: it resolves with `convert(env, value)`. Unlike work
/// on a native thread, it does not keep the process alive.
template <typename Value, typename Convert>
std::pair<Napi::Promise, std::function<void(Value)>> open_promise(Napi::Env env, Convert convert) {
  const Napi::Promise::Deferred deferred(env);
  auto resolve = [deferred, convert, completions = Runtime::of(env).completions()](Value value) {
    completions->post([deferred, convert, value](Napi::Env env) { deferred.Resolve(convert(env, value)); });
  };
  return {deferred.Promise(), std::move(resolve)};
}

/// The result of work without a result.
struct Nothing {};

inline Napi::Value to_undefined(Napi::Env env, const Nothing&) { return env.Undefined(); }

/// Calls a JavaScript function with the latest of many values: while a call waits for the environment's thread, newer
/// values replace the pending one.
template <typename Value, typename Convert>
class LatestValueCallback {
 public:
  LatestValueCallback(Napi::Env env, Napi::Function callback, Convert convert)
      : state_(std::make_shared<State>(Runtime::of(env).completions(), Runtime::of(env).keep_callback(callback),
                                       std::move(convert))) {}

  /// From any thread.
  void send(const Value& value) const {
    const std::lock_guard lock(state_->mutex);
    state_->latest = value;
    if (std::exchange(state_->waiting, true)) return;
    state_->completions->post([state = state_](Napi::Env env) {
      Value value;
      {
        const std::lock_guard lock(state->mutex);
        state->waiting = false;
        value = state->latest;
      }
      const Napi::Function callback = Runtime::of(env).callback(state->number);
      if (!callback.IsEmpty()) callback.Call({state->convert(env, value)});
    });
  }

  /// Releases the function, which is not called any more. On the environment's thread.
  void release(Napi::Env env) const { Runtime::of(env).drop_callback(state_->number); }

 private:
  struct State {
    State(std::shared_ptr<Completions> completions, uint64_t number, Convert convert)
        : completions(std::move(completions)), number(number), convert(std::move(convert)) {}
    std::shared_ptr<Completions> completions;
    uint64_t number;
    Convert convert;
    std::mutex mutex;
    Value latest{};
    bool waiting = false;
  };
  std::shared_ptr<State> state_;
};

/// Reports how many are done, such as images.
using CountCallback = LatestValueCallback<int64_t, Napi::Value (*)(Napi::Env, int64_t)>;

inline CountCallback count_callback(Napi::Env env, const Napi::Value& function) {
  return {env, function.As<Napi::Function>(),
          [](Napi::Env env, int64_t done) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(done)); }};
}

}  // namespace reviewkd::binding
