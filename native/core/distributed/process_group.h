#pragma once
// The processes that train together: how they meet, what they know of each other, and why one of them is lost.
//
// They meet at a TCPStore of c10d, which the process of rank 0 or its launcher runs. Its keys begin with the run and its
// number of restarts, so that processes of an earlier start are not mistaken for those of this one.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/communicator.h"
#include "core/distributed/join_options.h"

namespace reviewkd {

class ProcessGroup {
 public:
  /// Meets the others. Throws PORT_IN_USE, MASTER_UNREACHABLE, PROCESSES_MISSING, PROCESSES_DIFFER (size, version, or the
  /// same rank twice), ABORTED once `stop` is set. With the last three, the others end with the same error.
  /// is_abandoned: set from another thread, ends all waiting with ABORTED, because the program ends.
  static std::shared_ptr<ProcessGroup> join(const JoinOptions& options, const std::atomic<bool>& stop,
                                            std::shared_ptr<const std::atomic<bool>> is_abandoned);
  /// A group of one process, without a store.
  static std::shared_ptr<ProcessGroup> solo(const Member& self);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int64_t rank() const { return options_.self.rank; }
  int64_t size() const { return options_.self.size; }
  double timeout_seconds() const { return options_.timeout_seconds; }
  const std::vector<Member>& members() const { return members_; }

  /// The texts of all processes, in the order of their ranks. Throws PROCESS_LOST, or the error that another ended with.
  std::vector<std::string> exchange(const std::string& text);

  /// Connects the first `count` processes for other operations, on the CPU or on CUDA; each of these calls it, with the
  /// same name, which is used once.
  std::unique_ptr<Communicator> open(const std::string& name, int64_t count, c10::DeviceType device);

  /// Leaves an error for the others, which lose this process now: it exchanges no more texts. The first one counts.
  void say_farewell(const Farewell& farewell);

  /// Runs an operation with the others. If it fails, finds out which process was lost, and throws PROCESS_LOST with its
  /// rank, host and farewell, or ABORTED if it was stopped.
  template <typename Work>
  auto together(const Work& work) {
    try {
      return work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw_lost(error.what());
    }
  }

  /// Waits until all others have come here too, at most a few seconds, and closes the connections. Nothing is called
  /// afterwards.
  void leave();

 private:
  struct Meeting;  // c10d's objects

  ProcessGroup(JoinOptions options, std::unique_ptr<Meeting> meeting, std::vector<Member> members,
               std::shared_ptr<const std::atomic<bool>> is_abandoned);
  [[noreturn]] void throw_lost(const std::string& reason);
  Error find_lost(const std::string& reason);

  JoinOptions options_;
  std::unique_ptr<Meeting> meeting_;
  std::vector<Member> members_;
  std::shared_ptr<const std::atomic<bool>> is_abandoned_;
  std::mutex exchange_mutex_;
  std::unique_ptr<Communicator> texts_;
  std::mutex lost_mutex_;
  /// The same error for every call after the first that failed.
  std::optional<Error> lost_;
  bool has_said_farewell_ = false;
};

/// Backends of c10d that this process can use: "gloo", and "nccl" with the CUDA plugin.
std::vector<std::string> process_group_backends();

}  // namespace reviewkd
