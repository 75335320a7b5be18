#include "core/distributed/rendezvous/peer_monitor.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <sstream>
#include <utility>

#include "core/distributed/rendezvous/meeting.h"
#include "core/distributed/rendezvous/texts.h"

namespace reviewkd {
namespace {

using meeting::kBeat;
using meeting::key;
using meeting::keys;
using meeting::list_of;
using meeting::sentence_of;

constexpr std::chrono::milliseconds kBetweenBeats{500};
/// A process without a beat for so long is lost, once an operation with it has failed.
constexpr double kSilentSeconds = 3;
/// The same while all connect, when nothing has failed: a machine may be too busy to beat.
constexpr double kSilentWhileConnectingSeconds = 15;
constexpr double kBetweenReadings = 2;
/// How long processes that all beat are watched after an operation has failed.
constexpr double kSearchSeconds = 10;
/// An operation to which all have contributed ends well within this time.
constexpr double kGraceSeconds = 2;
/// How long the process that runs the store waits for the others when it leaves.
constexpr double kLeaveSeconds = 5;
/// The same if they are to learn of an error: no longer than launchers and schedulers wait for a process that they ended
/// by a signal (torchrun, SLURM, Kubernetes: 30 s).
constexpr double kLearnSeconds = 25;

/// The key of the group's error; the first one counts.
constexpr const char* kError = "error";

// The state of a process, behind the number of its beat.
constexpr const char* kWorks = "works";
constexpr const char* kWaits = "waits";
constexpr const char* kKnows = "knows the error";
/// Instead of a beat.
constexpr const char* kLeft = "left";

/// Ends the monitor's thread while it waits for the store; no std::exception, so that nothing takes it for a failure.
struct Stopped {};

bool is_timeout(const std::string& reason) {
  return reason.find("imed out") != std::string::npos || reason.find("imeout") != std::string::npos;
}

std::string text_of(const PeerError& error) {
  std::ostringstream text;
  for (const int64_t rank : error.ranks) text << rank << ' ';
  text << '\n' << meeting::text_of(Error(error.code, error.message));
  return text.str();
}

PeerError error_from(const std::string& text) {
  const size_t end = text.find('\n');
  std::istringstream ranks(text.substr(0, end));
  const Error error = meeting::error_from(text.substr(end + 1));
  PeerError result{.code = error.code(), .message = error.what(), .ranks = {}};
  for (int64_t rank = 0; ranks >> rank;) result.ranks.push_back(rank);
  return result;
}

}  // namespace

void PeerWatch::read() {
  const std::vector<std::string> beats = client_.read_all(keys(kBeat, size_));
  const double seconds = stopwatch_.lap();
  peers_.resize(static_cast<size_t>(size_));
  for (size_t rank = 0; rank < beats.size(); ++rank) {
    Peer& peer = peers_[rank];
    const std::string& beat = beats[rank];
    peer.quiet_seconds = beat == peer.beat ? peer.quiet_seconds + seconds : 0;
    peer.beat = beat;
    peer.has_left = beat == kLeft;
    peer.knows = beat.ends_with(kKnows);
    peer.works = beat.ends_with(kWorks);
  }
}

std::vector<int64_t> PeerWatch::silent(double seconds) const {
  std::vector<int64_t> ranks;
  for (int64_t rank = 0; rank < size_; ++rank) {
    const Peer& peer = peers_.at(static_cast<size_t>(rank));
    if (rank != rank_ && (peer.has_left || peer.quiet_seconds >= seconds)) ranks.push_back(rank);
  }
  return ranks;
}

std::vector<int64_t> PeerWatch::busy() const {
  std::vector<int64_t> ranks;
  for (int64_t rank = 0; rank < size_; ++rank) {
    if (rank != rank_ && peers_.at(static_cast<size_t>(rank)).works) ranks.push_back(rank);
  }
  return ranks;
}

bool PeerWatch::is_unaware(int64_t rank, double silent_seconds) const {
  const Peer& peer = peers_.at(static_cast<size_t>(rank));
  return !peer.has_left && !peer.knows && peer.quiet_seconds < silent_seconds;
}

PeerMonitor::PeerMonitor(StoreClient client, const JoinOptions& options, std::vector<Member> members,
                         const std::atomic<int>& waiting)
    : client_(std::move(client)), options_(options), members_(std::move(members)), waiting_(waiting) {
  thread_ = std::thread([this] { run(); });
}

PeerMonitor::~PeerMonitor() { stop(); }

void PeerMonitor::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::string PeerMonitor::state() const {
  if (error()) return kKnows;
  return waiting_ > 0 ? kWaits : kWorks;
}

void PeerMonitor::run() {
  const auto is_over = [this] {
    const std::lock_guard lock(mutex_);
    return is_over_;
  };
  // A store that hangs may continue.
  const StoreClient client = client_.within(std::numeric_limits<double>::infinity(), [&] {
    if (is_over()) throw Stopped();  // NOLINT(bugprone-std-exception-baseclass)
  });
  try {
    for (int64_t number = 0; !is_over(); ++number) {
      const bool knew = error().has_value() || look_up(client).has_value();
      client.write(key(kBeat, options_.self.rank), std::to_string(number) + " " + state());
      std::unique_lock lock(mutex_);
      // Others wait until this process knows.
      changed_.wait_for(lock, kBetweenBeats, [&] { return is_over_ || (error_ && !knew); });
    }
  } catch (const Stopped&) {  // NOLINT(bugprone-empty-catch)
    // The last call to the store is left alone.
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The store is gone, which the next operation with the others finds out.
  }
}

std::optional<PeerError> PeerMonitor::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void PeerMonitor::check_error() const {
  const std::lock_guard lock(mutex_);
  if (!error_) return;
  const std::chrono::duration<double> known = std::chrono::steady_clock::now() - known_since_;
  if (known.count() >= kGraceSeconds) throw Error(error_->code, error_->message);
}

void PeerMonitor::learn(const PeerError& error) {
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;
    error_ = error;
    known_since_ = std::chrono::steady_clock::now();
  }
  changed_.notify_all();
}

std::optional<PeerError> PeerMonitor::look_up(const StoreClient& client) {
  if (const auto known = error()) return known;
  if (!client.has(kError)) return std::nullopt;
  learn(error_from(client.read(kError)));
  return error();
}

PeerError PeerMonitor::publish(const StoreClient& client, const PeerError& error) {
  const PeerError first = error_from(client.write_first(kError, text_of(error)));
  learn(first);
  return first;
}

void PeerMonitor::report(const std::string& code, const std::string& message) {
  const int64_t rank = options_.self.rank;
  const std::string who = members_[static_cast<size_t>(rank)].description();
  const bool is_stopped = code == to_string(ErrorCode::kAborted);
  const PeerError error{.code = is_stopped ? ErrorCode::kAborted : ErrorCode::kProcessLost,
                        .message = is_stopped ? who + ": " + message : who + " ended with " + code + ": " + message,
                        .ranks = {rank}};
  try {
    publish(client_.within(kSilentSeconds), error);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The store is gone; the others will find out that this process is, too.
    learn(error);
  }
}

PeerError PeerMonitor::find_cause(const std::string& reason, const Look& look) {
  const bool is_silent = is_timeout(reason);
  const StoreClient client = client_.within(kSilentSeconds, look);
  PeerWatch watch(client, options_.self.rank, options_.self.size);
  std::vector<int64_t> ranks;
  try {
    const Stopwatch stopwatch;
    while (stopwatch.seconds() < kSearchSeconds) {
      if (const auto known = look_up(client)) return *known;
      if (look) look();
      watch.read();
      ranks = watch.silent(kSilentSeconds);
      if (ranks.empty() && is_silent && stopwatch.seconds() >= kSilentSeconds) {
        // A process that hangs beats, and waits for no others.
        ranks = watch.busy();
        break;
      }
      if (!ranks.empty()) break;
      std::this_thread::sleep_for(kBetweenLooks);
    }
    return publish(client, lost(ranks, reason, is_silent));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    // Without its store, the one that ran it is lost.
    if (!options_.store_is_hosted) ranks = {0};
    const PeerError found = lost(ranks, reason, is_silent || is_timeout(error.what()));
    learn(found);
    return found;
  }
}

PeerError PeerMonitor::lost(const std::vector<int64_t>& ranks, const std::string& reason, bool is_silent) const {
  const std::string because = sentence_of(reason);
  if (ranks.empty()) {
    return {.message = "the processes lost each other: " + because +
                       ". Check the network between their machines, and start all again.",
            .ranks = {}};
  }
  const std::string who = members_[static_cast<size_t>(ranks.front())].description();
  const std::string others = ranks.size() > 1 ? " and rank " + list_of({ranks.begin() + 1, ranks.end()}) : "";
  const std::string how = is_silent ? "it hangs or cannot be reached" : "it ended without an error of its own";
  return {.message = "lost " + who + others + ": " + how + " (" + because +
                     "). See its output and its machine's log, for example for a lack of memory, and start all again.",
          .ranks = ranks};
}

Look PeerMonitor::connection_look(Look look) const {
  const auto watch = std::make_shared<PeerWatch>(client_.within(kSilentWhileConnectingSeconds, look),
                                                 options_.self.rank, options_.self.size);
  return [watch, look = std::move(look), stopwatch = Stopwatch(), waited = 0.0]() mutable {
    if (look) look();
    waited += stopwatch.lap();
    if (waited < kBetweenReadings) return;
    waited = 0;
    watch->read();
    if (watch->silent(kSilentWhileConnectingSeconds).empty()) return;
    throw TimedOut("Timed out waiting for the connections of all processes");
  };
}

void PeerMonitor::leave() {
  stop();
  const auto error = this->error();
  const double seconds = error ? kLearnSeconds : kLeaveSeconds;
  try {
    const StoreClient client = client_.within(kSilentSeconds);
    client.write(key(kBeat, options_.self.rank), kLeft);
    if (options_.self.rank != 0 || options_.store_is_hosted) return;
    PeerWatch watch(client, options_.self.rank, options_.self.size);
    const Stopwatch stopwatch;
    while (stopwatch.seconds() < seconds) {
      watch.read();
      bool are_all_done = true;
      for (int64_t rank = 1; are_all_done && rank < options_.self.size; ++rank) {
        if (!error) are_all_done = watch.has_left(rank);
        else if (std::find(error->ranks.begin(), error->ranks.end(), rank) == error->ranks.end())
          are_all_done = !watch.is_unaware(rank, kSilentSeconds);
      }
      if (are_all_done) return;
      std::this_thread::sleep_for(kBetweenLooks);
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The store is gone, and with it those that would read it.
  }
}

}  // namespace reviewkd
