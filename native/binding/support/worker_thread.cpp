#include "binding/support/worker_thread.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "core/ops/threads/default_threads.h"

namespace reviewkd::binding {

WorkerThread::WorkerThread() : thread_([this] { run(); }) {}

WorkerThread::~WorkerThread() {
  close();
  join();
}

void WorkerThread::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void WorkerThread::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
}

void WorkerThread::abandon() {
  std::deque<std::function<void()>> dropped;  // the tasks' captures are destroyed after the lock is released
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
  }
  changed_.notify_one();
}

void WorkerThread::join() {
  if (thread_.joinable()) thread_.join();
}

bool WorkerThread::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

void WorkerThread::run() {
  // Processors take some hundred cycles for each operation on a denormal number, and networks that have learned much
  // compute millions: a step of RetinaNet takes twice as long. OpenMP's threads inherit it when this one starts them.
  at::globalContext().setFlushDenormal(true);
  // libtorch counts all cores, also those that a container may not use.
  if (const int threads = ops::default_threads().count; threads != at::get_num_threads()) at::set_num_threads(threads);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return !tasks_.empty() || closed_; });
    if (tasks_.empty()) break;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // its captures are destroyed before the lock is taken again
    lock.lock();
  }
  finished_ = true;
}

}  // namespace reviewkd::binding
