#include "core/distributed/process_group.h"

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "core/base/stopwatch.h"
#include "core/distributed/backend_communicator.h"
#include "core/distributed/nccl.h"

namespace reviewkd {

/// The store, below the prefix of this start.
struct ProcessGroup::Meeting {
  c10::intrusive_ptr<c10d::Store> store;
  bool runs_store = false;
};

namespace {

using std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;

/// Between two looks at the store.
constexpr milliseconds kLook{50};
/// How long those who are still there have to say so after one was lost: connections that close are noticed at once,
/// timeouts are not the same for all.
constexpr double kRollCallSeconds = 1.5;
constexpr double kRollCallAfterTimeoutSeconds = 4;
/// How long the process with the store stays for the others when it leaves.
constexpr double kLeaveSeconds = 5;
/// Of one attempt to reach the store.
constexpr double kAttemptSeconds = 2;

milliseconds milliseconds_of(double seconds) { return milliseconds(static_cast<int64_t>(seconds * 1000)); }

std::string key(const char* what, int64_t rank) { return std::string(what) + "/" + std::to_string(rank); }

std::string text_of(const Member& member) {
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

/// The sentence that c10d or Gloo says, without the place in its sources and its advice.
std::string sentence_of(const std::string& reason) {
  std::string sentence = reason.substr(0, reason.find('\n'));
  if (sentence.starts_with('[')) sentence = sentence.substr(std::min(sentence.find("] ") + 2, sentence.size()));
  sentence = sentence.substr(0, sentence.find(". This is typically"));
  while (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

bool is_timeout(const std::string& reason) {
  return reason.find("imed out") != std::string::npos || reason.find("imeout") != std::string::npos;
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

Store open_store(const JoinOptions& options, const std::atomic<bool>& stop) {
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
      Store opened = c10::make_intrusive<c10d::TCPStore>(options.master_host, store);
      opened->setTimeout(milliseconds_of(options.timeout_seconds));
      return opened;
    } catch (const std::exception& error) {
      reason = error.what();
      if (runs_store && is_port_in_use(reason)) {
        fail(ErrorCode::kPortInUse, "invalid port ", options.master_port, " on ", options.self.host,
             ": expected a free one at which the processes meet, received one that another program uses. Choose "
             "another (MASTER_PORT), or end that program; an earlier start may still be running.");
      }
    }
    waited += watch.lap();
  } while (waited < options.timeout_seconds);
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

std::string list_of(const std::vector<int64_t>& ranks) {
  constexpr size_t kMost = 8;
  std::string text;
  for (size_t i = 0; i < std::min(ranks.size(), kMost); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return ranks.size() > kMost ? text + ", … (" + std::to_string(ranks.size()) + " in all)" : text;
}

std::vector<Member> meet(const JoinOptions& options, const Store& store, const std::atomic<bool>& stop) {
  const Member& self = options.self;
  if (store->add(key("came", self.rank), 1) != 1) {
    const Member other = store->check({key("hello", self.rank)})
                             ? member_of(store->get_to_str(key("hello", self.rank)))
                             : Member{.rank = self.rank, .host = "unknown", .version = ""};
    fail(ErrorCode::kProcessesDiffer, "invalid rank ", self.rank, " of process ", self.process_id, " on ", self.host,
         ": expected one of its own, received that of ", other.description(),
         ". Give each process another rank (RANK), and start all again after one was restarted.");
  }
  store->set(key("hello", self.rank), text_of(self));
  std::vector<Member> members(static_cast<size_t>(self.size));
  std::set<int64_t> missing;
  for (int64_t rank = 0; rank < self.size; ++rank) missing.insert(rank);
  Stopwatch watch;
  double waited = 0;
  while (true) {
    for (auto rank = missing.begin(); rank != missing.end();) {
      if (!store->check({key("hello", *rank)})) {
        ++rank;
        continue;
      }
      const Member other = member_of(store->get_to_str(key("hello", *rank)));
      check_same(self, other);
      members[static_cast<size_t>(*rank)] = other;
      rank = missing.erase(rank);
    }
    if (missing.empty()) return members;
    check_stop(stop);
    waited += watch.lap();
    if (waited >= options.timeout_seconds) break;
    std::this_thread::sleep_for(kLook);
  }
  const std::vector<int64_t> absent(missing.begin(), missing.end());
  fail(ErrorCode::kProcessesMissing, "missing processes: expected ", self.size, " at ", place_of(options), " within ",
       options.timeout_seconds, " s, received ", self.size - static_cast<int64_t>(absent.size()),
       "; none came with rank ", list_of(absent), ". Start these as well, or start all with a smaller WORLD_SIZE.");
}

/// The process with the store stays a moment, so that the others read why it goes. sign: the key of those for whom it
/// waits.
void linger(const JoinOptions& options, const Store& store, const char* sign, double seconds) {
  try {
    store->set(key("left", options.self.rank), "1");
    if (options.self.rank != 0 || options.store_is_hosted) return;
    Stopwatch watch;
    for (double waited = 0; waited < seconds; waited += watch.lap()) {
      bool all_left = true;
      for (int64_t rank = 1; all_left && rank < options.self.size; ++rank)
        all_left = !store->check({key(sign, rank)}) || store->check({key("left", rank)});
      if (all_left) return;
      std::this_thread::sleep_for(kLook);
    }
  } catch (const std::exception&) {
    // The store is gone, and with it those who would read it.
  }
}

std::shared_ptr<gloo::transport::Device> gloo_device(const std::string& address) {
  // @env GLOO_SOCKET_IFNAME users: The network interface by which processes of several machines reach each other, such as `eth0`. Default: the one that leads to MASTER_ADDR.
  if (const char* name = std::getenv("GLOO_SOCKET_IFNAME"); name != nullptr && *name != '\0')
    return c10d::ProcessGroupGloo::createDeviceForInterface(name);
  return c10d::ProcessGroupGloo::createDeviceForHostname(address);
}

/// The farewell of a process, if it has left one.
std::optional<Farewell> farewell_of(const Store& store, int64_t rank) {
  if (!store->check({key("farewell", rank)})) return std::nullopt;
  const std::string text = store->get_to_str(key("farewell", rank));
  const size_t end = text.find('\n');
  return Farewell{text.substr(0, end), end == std::string::npos ? "" : text.substr(end + 1)};
}

}  // namespace

std::string Member::description() const {
  return "rank " + std::to_string(rank) + " (" + host + ", process " + std::to_string(process_id) + ")";
}

JoinOptions JoinOptions::from(const Options& options) {
  JoinOptions join;
  join.self = {.rank = options.integer("rank"),
               .size = options.integer("size"),
               .host = options.string("host"),
               .process_id = options.integer("processId"),
               .version = options.string("version")};
  join.timeout_seconds = options.number("timeoutSeconds");
  if (join.self.size == 1 && !options.has("master")) return join;
  const Options master = options.options("master");
  join.master_host = master.string("host");
  join.master_port = master.integer("port");
  join.store_is_hosted = options.boolean("storeIsHosted");
  join.prefix = options.string("prefix");
  join.address = options.string("address");
  return join;
}

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
  quieten_c10d();
  const Store store = c10::make_intrusive<c10d::PrefixStore>(options.prefix, open_store(options, stop));
  auto meeting = std::make_unique<Meeting>(Meeting{store, options.self.rank == 0 && !options.store_is_hosted});
  std::vector<Member> members;
  try {
    members = meet(options, store, stop);
  } catch (const Error&) {
    linger(options, store, "hello", kAttemptSeconds);
    throw;
  } catch (const std::exception& error) {
    fail(ErrorCode::kProcessLost, "lost the process at ", place_of(options), " while all met: ", error.what(),
         ". See what it says itself, and start all again.");
  }
  std::shared_ptr<ProcessGroup> group(
      new ProcessGroup(options, std::move(meeting), std::move(members), std::move(is_abandoned)));
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
    meeting_->store->set(key("farewell", rank()), farewell.code + "\n" + farewell.message);
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
  const Store& store = meeting_->store;
  std::vector<int64_t> silent;
  try {
    store->setTimeout(milliseconds_of(kRollCallAfterTimeoutSeconds));
    store->set(key("here", rank()), "1");
    std::set<int64_t> waiting;
    for (int64_t rank = 0; rank < size(); ++rank) waiting.insert(rank);
    Stopwatch watch;
    for (double waited = 0; !waiting.empty() && waited < patience; waited += watch.lap()) {
      for (auto rank = waiting.begin(); rank != waiting.end();) {
        if (const auto farewell = farewell_of(store, *rank)) {
          const std::string who = members_[static_cast<size_t>(*rank)].description();
          return {ErrorCode::kProcessLost, who + " ended with " + farewell->code + ": " + farewell->message};
        }
        if (store->check({key("here", *rank)})) rank = waiting.erase(rank);
        else ++rank;
      }
      std::this_thread::sleep_for(kLook);
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
  if (meeting_) linger(options_, meeting_->store, lost_ ? "here" : "hello", kLeaveSeconds);
  meeting_.reset();
}

std::vector<std::string> process_group_backends() {
  std::vector<std::string> backends{"gloo"};
  if (has_nccl()) backends.emplace_back("nccl");
  return backends;
}

}  // namespace reviewkd
