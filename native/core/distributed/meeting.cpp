#include "core/distributed/meeting.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include "core/base/error.h"
#include "core/base/stopwatch.h"

namespace reviewkd::meeting {
namespace {

using std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;

/// Between two looks at the store.
constexpr milliseconds kBetweenLooks{50};
/// Of one attempt to reach the store, and until it answers.
constexpr double kAttemptSeconds = 2;
constexpr double kAnswerSeconds = 10;
/// The key of the reason for which a meeting is over.
constexpr const char* kCalledOff = "called-off";

milliseconds milliseconds_of(double seconds) { return milliseconds(static_cast<int64_t>(seconds * 1000)); }

std::string hello_of(const Member& member) {
  std::ostringstream text;
  text << member.rank << '\n'
       << member.size << '\n'
       << member.process_id << '\n'
       << member.version << '\n'
       << member.host;
  return text.str();
}

Member member_of(const std::string& text) {
  std::istringstream lines(text);
  Member member;
  lines >> member.rank >> member.size >> member.process_id >> std::ws;
  std::getline(lines, member.version);
  std::getline(lines, member.host);
  return member;
}

/// Our errors repeat the reasons; c10d would also write each attempt to the terminal.
void quieten_c10d() {
  // @env TORCH_CPP_LOG_LEVEL users: Level of libtorch's own messages, such as `INFO`, also while processes meet. Default: none of c10d's.
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = 3;
}

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

Store open_store(const JoinOptions& options, double seconds, const std::atomic<bool>& stop) {
  const bool runs_store = options.self.rank == 0 && !options.store_is_hosted;
  Stopwatch watch;
  double waited = 0;
  std::string reason;
  do {
    check_stop(stop);
    c10d::TCPStoreOptions store;
    store.port = static_cast<uint16_t>(options.master_port);
    store.isServer = runs_store;
    store.waitWorkers = false;
    store.timeout = milliseconds_of(std::min(kAttemptSeconds, options.timeout_seconds));
    try {
      const auto opened = std::make_shared<Store>();
      // Another program at this port may accept a connection and never answer; without any, a port that the system hands
      // out may even be this connection's own.
      within(
          std::min(kAnswerSeconds, seconds - waited),
          [=, host = options.master_host] { *opened = c10::make_intrusive<c10d::TCPStore>(host, store); },
          [&] { check_stop(stop); });
      (*opened)->setTimeout(milliseconds_of(options.timeout_seconds));
      return *opened;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      reason = error.what();
      if (runs_store && is_port_in_use(reason)) {
        fail(ErrorCode::kPortInUse, "invalid port ", options.master_port, " on ", options.self.host,
             ": expected a free one at which the processes meet, received one that another program uses. Choose "
             "another (MASTER_PORT), or end that program; an earlier start may still be running.");
      }
    }
    waited += watch.lap();
  } while (waited < seconds);
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

/// Throws the error for which another process has called the meeting off.
void check_called_off(NoticeBoard& board) {
  if (!board.has(kCalledOff)) return;
  const Farewell farewell = farewell_from(board.read(kCalledOff));
  if (const auto code = error_code_of(farewell.code)) throw Error(*code, farewell.message);
  fail(ErrorCode::kProcessLost, "another process ended with ", farewell.code, " while all met: ", farewell.message);
}

std::vector<Member> wait_for_all(const JoinOptions& options, NoticeBoard& board, const std::atomic<bool>& stop) {
  const Member& self = options.self;
  if (board.count(key("came", self.rank)) != 1) {
    const Member other = board.has(key("hello", self.rank))
                             ? member_of(board.read(key("hello", self.rank)))
                             : Member{.rank = self.rank, .host = "unknown", .version = ""};
    fail(ErrorCode::kProcessesDiffer, "invalid rank ", self.rank, " of process ", self.process_id, " on ", self.host,
         ": expected one of its own, received that of ", other.description(),
         ". Give each process another rank (RANK), and start all again after one was restarted.");
  }
  board.write(key("hello", self.rank), hello_of(self));
  std::vector<Member> members(static_cast<size_t>(self.size));
  std::set<int64_t> missing;
  for (int64_t rank = 0; rank < self.size; ++rank) missing.insert(rank);
  Stopwatch watch;
  double waited = 0;
  while (true) {
    for (auto rank = missing.begin(); rank != missing.end();) {
      if (!board.has(key("hello", *rank))) {
        ++rank;
        continue;
      }
      const Member other = member_of(board.read(key("hello", *rank)));
      check_same(self, other);
      members[static_cast<size_t>(*rank)] = other;
      rank = missing.erase(rank);
    }
    if (missing.empty()) return members;
    check_called_off(board);
    check_stop(stop);
    waited += watch.lap();
    if (waited >= options.timeout_seconds) break;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  const std::vector<int64_t> absent(missing.begin(), missing.end());
  fail(ErrorCode::kProcessesMissing, "missing processes: expected ", self.size, " at ", place_of(options), " within ",
       options.timeout_seconds, " s, received ", self.size - static_cast<int64_t>(absent.size()),
       "; none came with rank ", list_of(absent), ". Start these as well, or start all with a smaller WORLD_SIZE.");
}

/// Whether all that came with this rank, of which there may be two by mistake, have left.
bool has_left(NoticeBoard& board, int64_t rank) {
  return board.has(key("left", rank)) && board.read(key("left", rank)) == board.read(key("came", rank));
}

/// The others end as well, for the same reason, instead of waiting for those that will not come.
void call_off(const JoinOptions& options, NoticeBoard& board, const Error& error) {
  try {
    board.set_patience(kAttemptSeconds);
    if (!board.has(kCalledOff)) board.write(kCalledOff, text_of(Farewell{to_string(error.code()), error.what()}));
  } catch (const std::exception&) {
    // The store is gone, and with it the meeting.
  }
  linger(options, board, nullptr, kAttemptSeconds);
}

/// The same by a process that was stopped before it reached the store; the others may be there by now.
void call_off_late(const JoinOptions& options,
                   const std::function<Store(double seconds, const std::atomic<bool>& stop)>& open,
                   const Error& error) {
  const std::atomic<bool> never{false};
  Store store;
  try {
    store = open(kAttemptSeconds, never);
  } catch (const Error&) {
    return;
  }
  NoticeBoard board(store, kAttemptSeconds);
  call_off(options, board, error);
}

}  // namespace

std::string key(const char* what, int64_t rank) { return std::string(what) + "/" + std::to_string(rank); }

std::string text_of(const Farewell& farewell) { return farewell.code + "\n" + farewell.message; }

Farewell farewell_from(const std::string& text) {
  const size_t end = text.find('\n');
  return {text.substr(0, end), end == std::string::npos ? "" : text.substr(end + 1)};
}

std::string sentence_of(const std::string& reason) {
  std::string sentence = reason.substr(0, reason.find('\n'));
  if (sentence.starts_with('[')) sentence = sentence.substr(std::min(sentence.find("] ") + 2, sentence.size()));
  sentence = sentence.substr(0, sentence.find(". This is typically"));
  while (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

std::string list_of(const std::vector<int64_t>& ranks) {
  constexpr size_t kMost = 8;
  std::string text;
  for (size_t i = 0; i < std::min(ranks.size(), kMost); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return ranks.size() > kMost ? text + ", … (" + std::to_string(ranks.size()) + " in all)" : text;
}

void linger(const JoinOptions& options, NoticeBoard& board, const char* sign, double seconds) {
  try {
    board.set_patience(seconds);
    board.count(key("left", options.self.rank));
    if (options.self.rank != 0 || options.store_is_hosted) return;
    Stopwatch watch;
    for (double waited = 0; waited < seconds; waited += watch.lap()) {
      bool all_left = true;
      for (int64_t rank = 1; all_left && rank < options.self.size; ++rank)
        all_left = (sign != nullptr && !board.has(key(sign, rank))) || has_left(board, rank);
      if (all_left) return;
      std::this_thread::sleep_for(kBetweenLooks);
    }
  } catch (const std::exception&) {
    // The store is gone, and with it those who would read it.
  }
}

Met meet(const JoinOptions& options, const std::atomic<bool>& stop) {
  quieten_c10d();
  const auto open = [&](double seconds, const std::atomic<bool>& is_stopped) -> Store {
    return c10::make_intrusive<c10d::PrefixStore>(options.prefix, open_store(options, seconds, is_stopped));
  };
  Store store;
  try {
    store = open(options.timeout_seconds, stop);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kAborted && options.self.rank > 0) call_off_late(options, open, error);
    throw;
  }
  NoticeBoard board(store, options.timeout_seconds);
  try {
    return {store, wait_for_all(options, board, stop)};
  } catch (const Error& error) {
    call_off(options, board, error);
    throw;
  } catch (const std::exception& error) {
    fail(ErrorCode::kProcessLost, "lost the process at ", place_of(options),
         " while all met: ", sentence_of(error.what()), ". See what it says itself, and start all again.");
  }
}

}  // namespace reviewkd::meeting
