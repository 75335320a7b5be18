#include "core/distributed/process_group.h"

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>

#include "core/base/stopwatch.h"
#include "core/distributed/backend_communicator.h"
#include "core/distributed/meeting.h"
#include "core/distributed/nccl.h"

namespace reviewkd {

/// The store, below the prefix of this start.
struct ProcessGroup::Meeting {
  c10::intrusive_ptr<c10d::Store> store;
  NoticeBoard board;
};

namespace {

using meeting::farewell_from;
using meeting::key;
using meeting::linger;
using meeting::list_of;
using meeting::sentence_of;
using meeting::text_of;
using std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;

/// Between two looks at the store.
constexpr milliseconds kRollCallLook{50};
/// How long those who are still there have to say so after one was lost: connections that close are noticed at once,
/// timeouts are not the same for all.
constexpr double kRollCallSeconds = 1.5;
constexpr double kRollCallAfterTimeoutSeconds = 4;
/// How long the process with the store stays for the others when it leaves.
constexpr double kLeaveSeconds = 5;
/// The same of one that has said a farewell, which others may read only once they have loaded their data: no longer
/// than launchers and schedulers wait for a process that they ended by a signal (torchrun, SLURM, Kubernetes: 30 s).
constexpr double kFarewellSeconds = 25;

milliseconds milliseconds_of(double seconds) { return milliseconds(static_cast<int64_t>(seconds * 1000)); }

bool is_timeout(const std::string& reason) {
  return reason.find("imed out") != std::string::npos || reason.find("imeout") != std::string::npos;
}

std::shared_ptr<gloo::transport::Device> gloo_device(const std::string& address) {
  // @env GLOO_SOCKET_IFNAME users: The network interface by which processes of several machines reach each other, such as `eth0`. Default: the one that leads to MASTER_ADDR.
  if (const char* name = std::getenv("GLOO_SOCKET_IFNAME"); name != nullptr && *name != '\0')
    return c10d::ProcessGroupGloo::createDeviceForInterface(name);
  return c10d::ProcessGroupGloo::createDeviceForHostname(address);
}

/// The farewell of a process, if it has left one.
std::optional<Farewell> farewell_of(NoticeBoard& board, int64_t rank) {
  if (!board.has(key("farewell", rank))) return std::nullopt;
  return farewell_from(board.read(key("farewell", rank)));
}

}  // namespace

ProcessGroup::ProcessGroup(JoinOptions options, std::unique_ptr<Meeting> meeting, std::vector<Member> members,
                           std::shared_ptr<const std::atomic<bool>> is_abandoned)
    : options_(std::move(options)),
      meeting_(std::move(meeting)),
      members_(std::move(members)),
      is_abandoned_(std::move(is_abandoned)) {}

ProcessGroup::~ProcessGroup() = default;

std::shared_ptr<ProcessGroup> ProcessGroup::solo(const Member& self) {
  JoinOptions alone;
  alone.self = self;
  std::shared_ptr<ProcessGroup> group(
      new ProcessGroup(alone, nullptr, {self}, std::make_shared<std::atomic<bool>>(false)));
  group->texts_ = solo_communicator();
  return group;
}

std::shared_ptr<ProcessGroup> ProcessGroup::join(const JoinOptions& options, const std::atomic<bool>& stop,
                                                 std::shared_ptr<const std::atomic<bool>> is_abandoned) {
  if (options.master_host.empty()) return solo(options.self);
  auto met = meeting::meet(options, stop);
  auto meeting = std::make_unique<Meeting>(Meeting{met.store, {met.store, options.timeout_seconds}});
  std::shared_ptr<ProcessGroup> group(
      new ProcessGroup(options, std::move(meeting), std::move(met.members), std::move(is_abandoned)));
  group->texts_ = group->open("texts", group->size(), c10::kCPU);
  return group;
}

std::vector<std::string> ProcessGroup::exchange(const std::string& text) {
  const std::lock_guard lock(exchange_mutex_);
  return together([&] {
    if (!texts_) fail(ErrorCode::kProcessLost, "this process has left the others. Join them again.");
    at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
    std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
    std::vector<std::string> texts;
    for (const at::Tensor& other : gathered_bytes(*texts_, bytes)) {
      const auto* begin = other.const_data_ptr<uint8_t>();
      texts.emplace_back(begin, begin + other.numel());
    }
    return texts;
  });
}

std::unique_ptr<Communicator> ProcessGroup::open(const std::string& name, int64_t count, c10::DeviceType device) {
  if (!meeting_ && device == c10::kCPU) return solo_communicator();
  return together([&]() -> std::unique_ptr<Communicator> {
    const auto timeout = milliseconds_of(options_.timeout_seconds);
    const auto rank = static_cast<int>(this->rank()), size = static_cast<int>(count);
    Store store;
    if (meeting_) store = c10::make_intrusive<c10d::PrefixStore>(name, meeting_->store);
    if (device != c10::kCPU)
      return std::make_unique<BackendCommunicator>(open_nccl(store, rank, size, timeout), is_abandoned_);
    const auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(gloo_device(options_.address));
    return std::make_unique<BackendCommunicator>(
        c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options), is_abandoned_);
  });
}

void ProcessGroup::say_farewell(const Farewell& farewell) {
  const std::lock_guard lock(lost_mutex_);
  // Who ends because of another process has nothing of its own to say.
  if (!meeting_ || lost_ || std::exchange(has_said_farewell_, true)) return;
  try {
    meeting_->board.set_patience(kRollCallAfterTimeoutSeconds);
    meeting_->board.write(key("farewell", rank()), text_of(farewell));
  } catch (const std::exception&) {
    // The store is gone; the others will find out that this process is, too.
  }
  // Who waits for a text of this process learns of it.
  const std::unique_lock exchange(exchange_mutex_, std::try_to_lock);
  if (exchange) texts_.reset();
}

void ProcessGroup::throw_lost(const std::string& reason) {
  const std::lock_guard lock(lost_mutex_);
  if (!lost_) lost_ = find_lost(reason);
  throw Error(*lost_);
}

Error ProcessGroup::find_lost(const std::string& reason) {
  const std::string because = sentence_of(reason);
  const double patience = is_timeout(reason) ? kRollCallAfterTimeoutSeconds : kRollCallSeconds;
  if (!meeting_) return {ErrorCode::kInternal, because};
  NoticeBoard& board = meeting_->board;
  std::vector<int64_t> silent;
  try {
    board.set_patience(kRollCallAfterTimeoutSeconds);
    board.write(key("here", rank()), "1");
    std::set<int64_t> waiting;
    for (int64_t rank = 0; rank < size(); ++rank) waiting.insert(rank);
    Stopwatch watch;
    for (double waited = 0; !waiting.empty() && waited < patience; waited += watch.lap()) {
      for (auto rank = waiting.begin(); rank != waiting.end();) {
        if (const auto farewell = farewell_of(board, *rank)) {
          const std::string who = members_[static_cast<size_t>(*rank)].description();
          if (farewell->code == to_string(ErrorCode::kAborted))
            return {ErrorCode::kAborted, who + ": " + farewell->message};
          return {ErrorCode::kProcessLost, who + " ended with " + farewell->code + ": " + farewell->message};
        }
        if (board.has(key("here", *rank))) rank = waiting.erase(rank);
        else ++rank;
      }
      std::this_thread::sleep_for(kRollCallLook);
    }
    silent.assign(waiting.begin(), waiting.end());
  } catch (const std::exception&) {
    // Without its store, the one who ran it is lost.
    if (!options_.store_is_hosted) silent = {0};
  }
  if (silent.empty()) {
    return {ErrorCode::kProcessLost, "the processes lost each other: " + because +
                                         ". Check the network between their machines, and start all again."};
  }
  const std::string who = members_[static_cast<size_t>(silent.front())].description();
  const std::string others = silent.size() > 1 ? " and rank " + list_of({silent.begin() + 1, silent.end()}) : "";
  const std::string how = is_timeout(reason) ? "it hangs or cannot be reached" : "it ended without an error of its own";
  return {ErrorCode::kProcessLost,
          "lost " + who + others + ": " + how + " (" + because +
              "). See its output and its machine's log, for example for a lack of memory, and start all again."};
}

void ProcessGroup::leave() {
  texts_.reset();
  // Of those who were lost with it, the ones that are still there.
  if (meeting_) {
    linger(options_, meeting_->board, lost_ ? "here" : "hello", has_said_farewell_ ? kFarewellSeconds : kLeaveSeconds);
  }
  meeting_.reset();
}

std::vector<std::string> process_group_backends() {
  std::vector<std::string> backends{"gloo"};
  if (has_nccl()) backends.emplace_back("nccl");
  return backends;
}

}  // namespace reviewkd
