#pragma once
// A native thread that does one task after the other, so that JavaScript's own never waits.

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

  /// Lets the thread end once the tasks posted so far are done. Does not wait.
  void close();

  /// Lets the thread end after the task it is in; those that wait are dropped. Does not wait.
  void abandon();

  /// Waits for the thread's end. Call after `close` or `abandon`, from another thread.
  void join();

  /// Whether the thread has ended, so that `join` returns at once.
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
