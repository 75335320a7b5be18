#pragma once
// The processes that train together: how they meet, what they know of each other, and why one of them is lost.
//
// They meet at a TCPStore of c10d, which the process of rank 0 or its launcher runs. Its keys begin with the run and its
// attempt, so that processes of an earlier start are not mistaken for those of this one.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/communicator.h"
#include "core/distributed/rendezvous/join_options.h"

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
  const std::vector<Member>& members() const { return members_; }

  /// The texts of all processes, in the order of their ranks. Throws PROCESS_LOST, or the error that another ended with.
  std::vector<std::string> exchange(const std::string& text);

  /// Connects the first `count` processes for other operations, on the CPU or a CUDA device; each of these calls it, with the
  /// same name, which is used once.
  std::unique_ptr<Communicator> open(const std::string& name, int64_t count, c10::Device device);

  /// Ends the work of all processes with an error of this one, unless there is one already: the others receive code and
  /// message. This process exchanges no more texts.
  void report_error(const std::string& code, const std::string& message);

  /// Runs operations with the others. If one fails, finds out which process was lost, and throws PROCESS_LOST with its
  /// rank, host and error, or ABORTED if it was stopped. Other errors are those of this process.
  template <typename Work>
  auto together(const Work& work) {
    const WaitingScope scope(waiting_);
    try {
      return work();
    } catch (const CommunicationError& error) {
      throw_lost(error.what());
    }
  }

  /// Waits until all others have come here too, at most a few seconds, and closes the connections. Calls that follow, or
  /// still run in other threads, throw PROCESS_LOST.
  void leave();

 private:
  struct Meeting;  // c10d's objects

  /// Counts the threads that wait for other processes.
  class WaitingScope {
   public:
    explicit WaitingScope(std::atomic<int>& count) : count_(count) { ++count_; }
    ~WaitingScope() { --count_; }
    WaitingScope(const WaitingScope&) = delete;
    WaitingScope& operator=(const WaitingScope&) = delete;

   private:
    std::atomic<int>& count_;
  };

  ProcessGroup(JoinOptions options, std::vector<Member> members, std::shared_ptr<const std::atomic<bool>> is_abandoned);
  [[noreturn]] void throw_lost(const std::string& reason);
  /// Null for a group of one and after `leave`.
  std::shared_ptr<Meeting> connected() const;
  /// Throws PROCESS_LOST after `leave`.
  std::shared_ptr<Meeting> meeting() const;
  /// Ends a wait for others once it is abandoned or the group has an error.
  std::function<void()> look() const;
  std::unique_ptr<Communicator> connect(const std::string& name, int64_t count,
                                        const std::function<void()>& while_connecting);
  std::unique_ptr<Communicator> connect_on_device(const std::string& name, int64_t count, c10::Device device);

  JoinOptions options_;
  std::vector<Member> members_;
  bool is_solo_;
  std::shared_ptr<const std::atomic<bool>> is_abandoned_;
  std::atomic<int> waiting_ = 0;
  mutable std::mutex meeting_mutex_;
  std::shared_ptr<Meeting> meeting_;
  std::mutex exchange_mutex_;
  std::unique_ptr<Communicator> texts_;
};

/// Backends of c10d that this process can use: "gloo", and "nccl" with the CUDA plugin.
std::vector<std::string> process_group_backends();

}  // namespace reviewkd
