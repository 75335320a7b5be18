#include "core/distributed/rendezvous/meeting.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/error.h"
#include "core/base/stopwatch.h"
#include "core/distributed/rendezvous/texts.h"

namespace reviewkd::meeting {
namespace {

using Store = c10::intrusive_ptr<c10d::Store>;

/// Of one attempt to reach the store, and until it answers.
constexpr double kAttemptSeconds = 2;
constexpr double kAnswerSeconds = 10;
/// How long the store of a group may be there after a process has left it.
constexpr double kLeavingSeconds = 30;

/// A process introduces itself; how often one with this rank came.
constexpr const char* kHello = "hello";
constexpr const char* kCame = "came";
/// How often one with this rank has read that the meeting is over.
constexpr const char* kRead = "read";
/// How the meeting ended: with kAllMet, or the code and the message of an error. The first text counts.
constexpr const char* kOutcome = "outcome";
constexpr const char* kAllMet = "met";
/// The id of the process of this rank that runs now, and the answer of rank 0 to an id: its own.
constexpr const char* kNow = "now";
constexpr const char* kSeen = "seen/";

bool is_port_in_use(const std::string& reason) {
  return reason.find("EADDRINUSE") != std::string::npos || reason.find("already in use") != std::string::npos ||
         reason.find("errno: 98") != std::string::npos;
}

void check_stop(const std::atomic<bool>& stop) {
  if (stop) throw Error(ErrorCode::kAborted, "joining the other processes was stopped.");
}

std::string place_of(const JoinOptions& options) {
  return options.master_host + ":" + std::to_string(options.master_port);
}

/// Connects to the store, which this call runs if `is_server`.
Store open_store(const JoinOptions& options, bool is_server, double seconds, const std::atomic<bool>& stop) {
  const Stopwatch watch;
  std::string reason;
  do {
    check_stop(stop);
    c10d::TCPStoreOptions store;
    store.port = static_cast<uint16_t>(options.master_port);
    store.isServer = is_server;
    // The store of a group that this process has left may still run here: it serves this one as well.
    store.multiTenant = is_server;
    store.waitWorkers = false;
    store.timeout = milliseconds_of(std::min(kAttemptSeconds, options.timeout_seconds));
    try {
      const auto opened = std::make_shared<Store>();
      // Another program at this port may accept a connection and never answer; without any, a port that the system hands
      // out may even be this connection's own.
      within(
          std::min(kAnswerSeconds, seconds - watch.seconds()),
          [=, host = options.master_host] { *opened = c10::make_intrusive<c10d::TCPStore>(host, store); },
          [&] { check_stop(stop); });
      (*opened)->setTimeout(milliseconds_of(options.timeout_seconds));
      return *opened;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      reason = error.what();
      if (is_server && is_port_in_use(reason)) {
        fail(ErrorCode::kPortInUse, "invalid port ", options.master_port, " on ", options.self.host,
             ": expected a free one at which the processes meet, received one that another program uses. Choose "
             "another (MASTER_PORT), or end that program; an earlier start may still be running.");
      }
    }
  } while (watch.seconds() < seconds);
  fail(ErrorCode::kMasterUnreachable, "cannot reach ", place_of(options), ", at which the processes meet, within ",
       options.timeout_seconds, " s: ", sentence_of(reason),
       ". Check MASTER_ADDR and MASTER_PORT, whether the process of rank 0 runs, and firewalls.");
}

/// Throws PROCESSES_DIFFER.
void check_same(const Member& self, const Member& other) {
  if (other.size != self.size) {
    fail(ErrorCode::kProcessesDiffer, "invalid number of processes: expected ", self.size, " as for ",
         self.description(), ", received ", other.size, " for ", other.description(),
         ". Start all with the same number (WORLD_SIZE).");
  }
  if (other.version != self.version) {
    fail(ErrorCode::kProcessesDiffer, "invalid version: expected ", self.version, " as of ", self.description(),
         ", received ", other.version, " of ", other.description(), ". Install the same version on all machines.");
  }
}

[[noreturn]] void fail_missing(const JoinOptions& options, const std::vector<int64_t>& absent) {
  fail(ErrorCode::kProcessesMissing, "missing processes: expected ", options.self.size, " at ", place_of(options),
       " within ", options.timeout_seconds, " s, received ", options.self.size - static_cast<int64_t>(absent.size()),
       "; none came with rank ", list_of(absent), ". Start these as well, or start all with a smaller WORLD_SIZE.");
}

/// A launcher's store outlives the processes that it restarts. Each of them has an id that nothing else has; the keys of
/// an attempt begin with that of rank 0, which gives it to every process that comes.
class Attempt {
 public:
  Attempt(const JoinOptions& options, StoreClient client)
      : options_(options), client_(std::move(client)), answered_(static_cast<size_t>(options.self.size)) {}

  /// The id of rank 0. Throws PROCESSES_MISSING if it does not come, and what the client's look throws.
  std::string agree() {
    if (options_.self.rank == 0) return options_.id;
    client_.write(key(kNow, options_.self.rank), options_.id);
    const Stopwatch watch;
    while (!client_.has(kSeen + options_.id)) {
      if (watch.seconds() >= options_.timeout_seconds) fail_missing(options_, {0});
      std::this_thread::sleep_for(kBetweenLooks);
    }
    return client_.read(kSeen + options_.id);
  }

  /// Rank 0 answers the process of this rank if it came since the last call.
  void answer(int64_t rank) {
    if (!client_.has(key(kNow, rank))) return;
    const std::string id = client_.read(key(kNow, rank));
    if (id == answered_[static_cast<size_t>(rank)]) return;
    client_.write(kSeen + id, options_.id);
    answered_[static_cast<size_t>(rank)] = id;
  }

 private:
  const JoinOptions& options_;
  StoreClient client_;
  std::vector<std::string> answered_;
};

/// The others end as well, for the same reason, instead of waiting for those that will not come.
void cancel(const JoinOptions& options, const StoreClient& unlimited, const Error& error) {
  try {
    const StoreClient client = unlimited.within(kAttemptSeconds);
    client.write_first(kOutcome, text_of(error));
    client.count(key(kRead, options.self.rank));
    if (options.self.rank != 0 || options.store_is_hosted) return;
    // Those that have come read the reason, before the store ends with this process.
    const Stopwatch watch;
    while (watch.seconds() < kAttemptSeconds) {
      bool have_read = true;
      for (int64_t rank = 1; have_read && rank < options.self.size; ++rank) {
        // There may be two of a rank by mistake.
        const std::string came = key(kCame, rank), read = key(kRead, rank);
        have_read = client.has(came) && client.has(read) && client.read(came) == client.read(read);
      }
      if (have_read) return;
      std::this_thread::sleep_for(kBetweenLooks);
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The store is gone, and with it the meeting.
  }
}

/// The same by a process that was stopped before it reached the store; the others may be there by now.
void cancel_late(const std::function<StoreClient(double seconds, const std::atomic<bool>& stop)>& open,
                 const JoinOptions& options, const Error& error) {
  // Its keys begin with an id that this process does not know.
  if (options.self.rank == 0 || options.store_is_hosted) return;
  const std::atomic<bool> never{false};
  try {
    cancel(options, open(kAttemptSeconds, never), error);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
    // Nothing is there.
  }
}

/// Once all have come. Throws PROCESSES_DIFFER.
std::vector<Member> members_of(const JoinOptions& options, const StoreClient& client) {
  // As many as the first one says.
  check_same(options.self, member_of(client.read(key(kHello, 0))));
  std::vector<Member> members;
  for (const std::string& text : client.read_all(keys(kHello, options.self.size))) members.push_back(member_of(text));
  for (const Member& member : members) check_same(options.self, member);
  return members;
}

/// The ranks that have not come. members: those that have, by rank; `size` is 0 for others. Throws PROCESSES_DIFFER.
std::vector<int64_t> missing_of(const JoinOptions& options, const StoreClient& client, std::vector<Member>& members) {
  std::vector<int64_t> missing;
  for (int64_t rank = 0; rank < options.self.size; ++rank) {
    Member& member = members[static_cast<size_t>(rank)];
    if (member.size > 0) continue;
    if (!client.has(key(kHello, rank))) {
      missing.push_back(rank);
      continue;
    }
    member = member_of(client.read(key(kHello, rank)));
    check_same(options.self, member);
  }
  return missing;
}

std::vector<Member> wait_for_all(const JoinOptions& options, const StoreClient& client, Attempt* attempt,
                                 const std::atomic<bool>& stop) {
  const Member& self = options.self;
  if (client.count(key(kCame, self.rank)) != 1) {
    const Member other = client.has(key(kHello, self.rank))
                             ? member_of(client.read(key(kHello, self.rank)))
                             : Member{.rank = self.rank, .host = "unknown", .version = ""};
    fail(ErrorCode::kProcessesDiffer, "invalid rank ", self.rank, " of process ", self.process_id, " on ", self.host,
         ": expected one of its own, received that of ", other.description(),
         ". Give each process another rank (RANK), and start all again after one was restarted.");
  }
  client.write(key(kBeat, self.rank), "");
  client.write(key(kHello, self.rank), hello_of(self));
  std::vector<Member> come(static_cast<size_t>(self.size), Member{.size = 0, .host = {}, .version = {}});
  const Stopwatch watch;
  while (watch.seconds() < options.timeout_seconds) {
    if (client.has(kOutcome)) {
      const std::string outcome = client.read(kOutcome);
      if (outcome != kAllMet) throw error_from(outcome);
      return members_of(options, client);
    }
    check_stop(stop);
    // The first process counts the others, so that a thousand of them do not each look for a thousand.
    if (self.rank == 0) {
      const std::vector<int64_t> missing = missing_of(options, client, come);
      if (missing.empty()) client.write_first(kOutcome, kAllMet);
      for (const int64_t rank : missing) {
        if (attempt != nullptr && rank > 0) attempt->answer(rank);
      }
      if (missing.empty()) continue;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
  fail_missing(options, missing_of(options, client, come));
}

/// Of this process, since libtorch has one level for all of it.
struct Quiet {
  std::mutex mutex;
  int scopes = 0;
  std::optional<int> level_before;
};

Quiet& quiet() {
  static Quiet state;
  return state;
}

}  // namespace

QuietScope::QuietScope() {
  const std::lock_guard lock(quiet().mutex);
  // @env TORCH_CPP_LOG_LEVEL users: Level of libtorch's own messages, such as `INFO`, also while processes train together. Default: none of c10d's.
  if (quiet().scopes++ > 0 || std::getenv("TORCH_CPP_LOG_LEVEL") != nullptr) return;
  quiet().level_before = std::exchange(FLAGS_caffe2_log_level, 3);
}

QuietScope::~QuietScope() {
  const std::lock_guard lock(quiet().mutex);
  if (--quiet().scopes > 0 || !quiet().level_before) return;
  FLAGS_caffe2_log_level = *std::exchange(quiet().level_before, std::nullopt);
}

/// Throws PROCESS_LOST if the store ends meanwhile.
Met meet_once(const JoinOptions& options, const std::atomic<bool>& stop) {
  const QuietScope quiet;
  const auto below = [](const std::string& prefix, const Store& store) -> Store {
    return c10::make_intrusive<c10d::PrefixStore>(prefix, store);
  };
  const auto open_client = [&](double seconds, const std::atomic<bool>& is_stopped) {
    return StoreClient(below(options.prefix, open_store(options, false, seconds, is_stopped)), options.timeout_seconds,
                       [&is_stopped] { check_stop(is_stopped); });
  };
  Store store, connection;
  try {
    store = open_store(options, options.self.rank == 0 && !options.store_is_hosted, options.timeout_seconds, stop);
    connection = open_store(options, false, options.timeout_seconds, stop);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kAborted) cancel_late(open_client, options, error);
    throw;
  }
  const Look look = [&stop] { check_stop(stop); };
  std::string prefix = options.prefix;
  try {
    std::optional<Attempt> attempt;
    if (options.store_is_hosted) {
      attempt.emplace(options, StoreClient(below(prefix, connection), options.timeout_seconds, look));
      prefix += "/" + attempt->agree();
    }
    const StoreClient client(below(prefix, connection), options.timeout_seconds);
    try {
      auto members =
          wait_for_all(options, client.within(options.timeout_seconds, look), attempt ? &*attempt : nullptr, stop);
      return {below(prefix, store), client, std::move(members)};
    } catch (const Error& error) {
      cancel(options, client, error);
      throw;
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail(ErrorCode::kProcessLost, "lost the process at ", place_of(options),
         " while all met: ", sentence_of(error.what()), ". See what it says itself, and start all again.");
  }
}

Met meet(const JoinOptions& options, const std::atomic<bool>& stop) {
  const Stopwatch watch;
  while (true) {
    try {
      return meet_once(options, stop);
    } catch (const Error& error) {
      // A process that joins again sooner than the first one has met it at the store of the group that they have left.
      const bool is_late = error.code() == ErrorCode::kProcessLost && options.groups_before > 0;
      if (!is_late || watch.seconds() >= kLeavingSeconds) throw;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace reviewkd::meeting
