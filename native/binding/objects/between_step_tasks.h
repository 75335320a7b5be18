#pragma once
// Work that other threads post to a session: run between two steps of an epoch, on the session's thread.

#include <deque>
#include <functional>
#include <mutex>

namespace reviewkd::binding {

/// Tasks are run even if no epoch runs; `within_epoch` distinguishes the two cases.
class BetweenStepTasks {
 public:
  /// From any thread. A task must not throw.
  void post(std::function<void()> task);

  /// On the session's thread: runs what was posted. `within_epoch`: between two steps.
  void run(bool within_epoch);

  /// From any thread: whether a task waits.
  bool waiting() const;

  /// For tasks.
  bool within_epoch() const { return within_epoch_; }

 private:
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  bool within_epoch_ = false;
};

}  // namespace reviewkd::binding
