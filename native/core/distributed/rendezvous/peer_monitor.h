#pragma once
// Each process shows the others that it is alive, learns why their work together ends, and finds out which one is lost.
// Included by few files: c10d's headers are large.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/stopwatch.h"
#include "core/distributed/rendezvous/join_options.h"
#include "core/distributed/rendezvous/store_client.h"

namespace reviewkd {

/// Why the processes no longer work together: the same for all but the one that failed.
struct PeerError {
  ErrorCode code = ErrorCode::kProcessLost;
  std::string message;
  /// The one that failed, or those that are lost.
  std::vector<int64_t> ranks;
};

/// The signs of life of all processes, read repeatedly by one that waits for others.
class PeerWatch {
 public:
  PeerWatch(StoreClient client, int64_t rank, int64_t size) : client_(std::move(client)), rank_(rank), size_(size) {}

  void read();
  /// Those that have left, or have shown no sign of life for so many seconds.
  std::vector<int64_t> silent(double seconds) const;
  /// Those that work while others wait for them.
  std::vector<int64_t> busy() const;
  /// Whether a process is there and does not know yet that the group has an error.
  bool is_unaware(int64_t rank, double silent_seconds) const;
  bool has_left(int64_t rank) const { return peers_.at(static_cast<size_t>(rank)).has_left; }

 private:
  struct Peer {
    std::string beat;
    double quiet_seconds = 0;
    bool has_left = false;
    bool works = false;
    bool knows = false;
  };

  StoreClient client_;
  int64_t rank_, size_;
  Stopwatch stopwatch_;
  std::vector<Peer> peers_;
};

/// A thread writes a beat to the store twice a second, whatever the process computes meanwhile, and looks for an error of
/// the group. Any thread may call.
class PeerMonitor {
 public:
  /// waiting: the number of this process's threads that wait for others.
  PeerMonitor(StoreClient client, const JoinOptions& options, std::vector<Member> members,
              const std::atomic<int>& waiting);
  ~PeerMonitor();
  PeerMonitor(const PeerMonitor&) = delete;
  PeerMonitor& operator=(const PeerMonitor&) = delete;

  /// The error of the group, if this process knows one.
  std::optional<PeerError> error() const;

  /// Throws that error if it has been known for so long that an operation which still waits will not complete.
  void check_error() const;

  /// Ends the work of all processes with an error of this one, unless there is one already.
  void report(const std::string& code, const std::string& message);

  /// Why an operation failed for c10d's `reason`. All processes that call this return the same error, unless the store
  /// is lost. look: called meanwhile, may throw.
  PeerError find_cause(const std::string& reason, const Look& look);

  /// A look for one wait for connections, which cannot break before they are made: throws TimedOut if one of the others
  /// shows no sign of life. look: called as well.
  Look connection_look(Look look) const;

  /// This process needs no others any more. The one that runs the store waits until those have left as well, or have
  /// learned of the group's error, at most a few seconds.
  void leave();

 private:
  void run();
  void stop();
  std::string state() const;
  void learn(const PeerError& error);
  /// The error of the group, by the store.
  std::optional<PeerError> look_up(const StoreClient& client);
  /// Makes an error that of the group unless there is one, which is returned.
  PeerError publish(const StoreClient& client, const PeerError& error);
  PeerError lost(const std::vector<int64_t>& ranks, const std::string& reason, bool is_silent) const;

  StoreClient client_;
  JoinOptions options_;
  std::vector<Member> members_;
  const std::atomic<int>& waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<PeerError> error_;
  std::chrono::steady_clock::time_point known_since_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace reviewkd
