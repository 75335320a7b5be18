#include "binding/support/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace reviewkd::binding {
namespace {

/// The exit code of a process that ends without waiting for its work; below 0 of others.
std::atomic<int>& ending_with() {
  static std::atomic<int> exit_code = -1;
  return exit_code;
}

}  // namespace

Completions::Completions(Napi::Env env)
    : function_(Function::New(env, "reviewkd", /*maxQueueSize=*/0, /*initialThreadCount=*/1)) {
  function_.Unref(env);
}

void Completions::call(Napi::Env env, Napi::Function, std::nullptr_t*, Callback* callback) {
  const std::unique_ptr<Callback> owned(callback);
  if (env == nullptr) return;  // the environment is shutting down
  const Napi::HandleScope scope(env);
  (*owned)(env);
}

void Completions::post(Callback callback) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  auto* raw = new Callback(std::move(callback));  // a thread-safe function carries a plain pointer; `call` owns it
  if (function_.NonBlockingCall(raw) != napi_ok) delete raw;
}

void Completions::begin(Napi::Env env) {
  if (pending_++ == 0) function_.Ref(env);
}

void Completions::end(Napi::Env env) {
  if (--pending_ == 0) function_.Unref(env);
}

void Completions::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

Runtime::Runtime(Napi::Env env)
    : completions_(std::make_shared<Completions>(env)), background_(std::make_shared<WorkerThread>()) {
  // Hooks run in reverse order, so this one runs before that of the thread-safe function.
  env.AddCleanupHook([this] {
    // While the process ends, Node waits for those of its worker threads.
    if (const int exit_code = ending_with(); exit_code >= 0) shut_down_or_exit(exit_code);
    else shut_down();
  });
}

void Runtime::stop_work() {
  for (const auto& flag : stop_flags_) {
    if (const auto alive = flag.lock()) alive->store(true);
  }
  completions_->close();
  for (const auto& queue : queues_) {
    if (const auto alive = queue.lock()) alive->cancel();
  }
  threads_.push_back(background_);
  for (const auto& thread : threads_) thread->abandon();
}

void Runtime::shut_down() {
  stop_work();
  for (const auto& thread : threads_) thread->join();  // at most one step each
  threads_.clear();
}

void Runtime::shut_down_or_exit(int exit_code) {
  constexpr std::chrono::milliseconds kPatience(500);
  ending_with() = exit_code;
  stop_work();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  const auto are_finished = [&] {
    return std::all_of(threads_.begin(), threads_.end(), [](const auto& thread) { return thread->finished(); });
  };
  while (!are_finished()) {
    if (std::chrono::steady_clock::now() >= end) std::_Exit(exit_code);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  shut_down();
}

std::shared_ptr<WorkerThread> Runtime::new_thread() {
  std::erase_if(threads_, [](const auto& thread) { return thread->finished(); });
  return threads_.emplace_back(std::make_shared<WorkerThread>());
}

StopFlag Runtime::new_stop_flag() {
  std::erase_if(stop_flags_, [](const auto& flag) { return flag.expired(); });
  auto flag = std::make_shared<std::atomic<bool>>(false);
  stop_flags_.push_back(flag);
  return flag;
}

void Runtime::watch(const std::shared_ptr<BatchQueue>& queue) {
  std::erase_if(queues_, [](const auto& other) { return other.expired(); });
  queues_.push_back(queue);
}

Napi::Function Runtime::error_class() const { return error_class_.IsEmpty() ? Napi::Function() : error_class_.Value(); }

void Runtime::set_error_class(Napi::Function error_class, Napi::Function follow) {
  error_class_ = Napi::Persistent(error_class);
  follow_ = follow.IsEmpty() ? Napi::FunctionReference() : Napi::Persistent(follow);
}

Napi::Promise Runtime::followed(Napi::Promise promise) const {
  return follow_.IsEmpty() ? promise : follow_.Call({promise}).As<Napi::Promise>();
}

uint64_t Runtime::keep_callback(Napi::Function callback) {
  callbacks_.emplace(++next_callback_, Napi::Persistent(callback));
  return next_callback_;
}

void Runtime::drop_callback(uint64_t number) { callbacks_.erase(number); }

Napi::Function Runtime::callback(uint64_t number) const {
  const auto found = callbacks_.find(number);
  return found == callbacks_.end() ? Napi::Function() : found->second.Value();
}

void Runtime::set_constructor(const std::string& name, Napi::Function constructor) {
  constructors_.insert_or_assign(name, Napi::Persistent(constructor));
}

Napi::Function Runtime::constructor(const std::string& name) const { return constructors_.at(name).Value(); }

}  // namespace reviewkd::binding
