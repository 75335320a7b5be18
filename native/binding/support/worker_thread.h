#pragma once
// A native thread that runs tasks one after the other, so that JavaScript's own never waits. Its arithmetic and that of
// operations in it take denormal numbers (in float32, below 1.2e-38) for zeros.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace reviewkd::binding {

class WorkerThread {
 public:
  WorkerThread();
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  /// Tasks must not throw. A task posted after `close` is dropped.
  void post(std::function<void()> task);

  /// Ends the thread after the tasks posted so far. Does not wait.
  void close();

  /// Ends the thread after its current task; queued tasks are dropped. Does not wait.
  void abandon();

  /// Waits for the thread to end. Call after `close` or `abandon`, from another thread.
  void join();

  /// Whether the thread has ended, in which case `join` returns at once.
  bool finished() const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool closed_ = false;
  bool finished_ = false;
  std::thread thread_;
};

}  // namespace reviewkd::binding
