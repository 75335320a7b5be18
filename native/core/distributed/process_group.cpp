#include "core/distributed/process_group.h"

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/distributed/backend_communicator.h"
#include "core/distributed/nccl.h"
#include "core/distributed/rendezvous/meeting.h"
#include "core/distributed/rendezvous/peer_monitor.h"
#include "core/distributed/rendezvous/texts.h"

namespace reviewkd {

/// The connections of a process that has not left.
struct ProcessGroup::Meeting {
  Meeting(const JoinOptions& options, const meeting::Met& met, const std::atomic<int>& waiting)
      : store(met.store), monitor(met.client, options, met.members, waiting) {}

  meeting::QuietScope quiet;
  /// Below the keys of this attempt.
  c10::intrusive_ptr<c10d::Store> store;
  PeerMonitor monitor;
};

namespace {

/// Gloo's own timeout comes first.
constexpr double kConnectMarginSeconds = 5;

std::shared_ptr<gloo::transport::Device> gloo_device(const std::string& address) {
  // @env GLOO_SOCKET_IFNAME users: The network interface by which processes of several machines reach each other, such as `eth0`. Default: the one that leads to MASTER_ADDR.
  const char* name = std::getenv("GLOO_SOCKET_IFNAME");
  if (name == nullptr || *name == '\0') return c10d::ProcessGroupGloo::createDeviceForHostname(address);
  try {
    return c10d::ProcessGroupGloo::createDeviceForInterface(name);
  } catch (const std::exception&) {
    fail(ErrorCode::kProcessEnvironment,
         "invalid environment variable GLOO_SOCKET_IFNAME: expected a network interface of this machine with an "
         "address, received \"",
         name, "\". Correct it (`ip address` lists them), or leave it out.");
  }
}

/// NCCL connects processes at the first operation of each kind, and waits there for those that do not come.
void connect_by_operations(const c10::intrusive_ptr<c10d::Backend>& backend, c10::Device device) {
  BackendCommunicator communicator(backend, [] {});
  const at::Tensor values = at::zeros({communicator.size()}, at::TensorOptions(device));
  communicator.broadcast(values, 0);
  sum_in_order(communicator, values, communicator.size());
  communicator.finish();
}

}  // namespace

ProcessGroup::ProcessGroup(JoinOptions options, std::vector<Member> members,
                           std::shared_ptr<const std::atomic<bool>> is_abandoned)
    : options_(std::move(options)),
      members_(std::move(members)),
      is_solo_(options_.master_host.empty()),
      is_abandoned_(std::move(is_abandoned)) {}

ProcessGroup::~ProcessGroup() = default;

std::shared_ptr<ProcessGroup> ProcessGroup::solo(const Member& self) {
  JoinOptions alone;
  alone.self = self;
  std::shared_ptr<ProcessGroup> group(new ProcessGroup(alone, {self}, std::make_shared<std::atomic<bool>>(false)));
  group->texts_ = solo_communicator();
  return group;
}

std::shared_ptr<ProcessGroup> ProcessGroup::join(const JoinOptions& options, const std::atomic<bool>& stop,
                                                 std::shared_ptr<const std::atomic<bool>> is_abandoned) {
  if (options.master_host.empty()) return solo(options.self);
  const auto met = meeting::meet(options, stop);
  std::shared_ptr<ProcessGroup> group(new ProcessGroup(options, met.members, std::move(is_abandoned)));
  group->meeting_ = std::make_shared<Meeting>(options, met, group->waiting_);
  try {
    group->texts_ = group->together([&] {
      return group->connect("texts", group->size(), [look = group->look(), &stop] {
        if (stop) fail(ErrorCode::kAborted, "joining the other processes was stopped.");
        look();
      });
    });
  } catch (const Error& error) {
    group->report_error(to_string(error.code()), error.what());
    group->leave();
    throw;
  }
  return group;
}

std::shared_ptr<ProcessGroup::Meeting> ProcessGroup::connected() const {
  const std::lock_guard lock(meeting_mutex_);
  return meeting_;
}

std::shared_ptr<ProcessGroup::Meeting> ProcessGroup::meeting() const {
  auto meeting = connected();
  if (!meeting) fail(ErrorCode::kProcessLost, "this process has left the others. Join them again.");
  return meeting;
}

Look ProcessGroup::look() const {
  return [is_abandoned = is_abandoned_, weak = std::weak_ptr<Meeting>(connected())] {
    if (*is_abandoned) fail(ErrorCode::kAborted, "the work with other processes was stopped.");
    if (const auto meeting = weak.lock()) meeting->monitor.check_error();
  };
}

std::vector<std::string> ProcessGroup::exchange(const std::string& text) {
  const std::lock_guard lock(exchange_mutex_);
  return together([&] {
    if (!texts_) fail(ErrorCode::kProcessLost, "this process has left the others. Join them again.");
    return gathered_texts(*texts_, text);
  });
}

std::unique_ptr<Communicator> ProcessGroup::open(const std::string& name, int64_t count, c10::Device device) {
  if (device.is_cpu() && is_solo_) return solo_communicator();
  return together(
      [&] { return device.is_cpu() ? connect(name, count, look()) : connect_on_device(name, count, device); });
}

std::unique_ptr<Communicator> ProcessGroup::connect(const std::string& name, int64_t count,
                                                    const Look& while_connecting) {
  const auto meeting = this->meeting();
  const auto options = c10d::ProcessGroupGloo::Options::create(milliseconds_of(options_.timeout_seconds));
  options->devices.push_back(gloo_device(options_.address));
  const auto store = c10::make_intrusive<c10d::PrefixStore>(name, meeting->store);
  const auto backend = std::make_shared<c10::intrusive_ptr<c10d::Backend>>();
  // Gloo waits for the others without looking at anything else.
  communicate([&] {
    within(
        options_.timeout_seconds + kConnectMarginSeconds,
        [=, rank = static_cast<int>(rank()), size = static_cast<int>(count)] {
          *backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
        },
        meeting->monitor.connection_look(while_connecting));
  });
  return std::make_unique<BackendCommunicator>(std::move(*backend), look());
}

std::unique_ptr<Communicator> ProcessGroup::connect_on_device(const std::string& name, int64_t count,
                                                              c10::Device device) {
  c10::intrusive_ptr<c10d::Store> store;
  Look look = this->look();
  if (!is_solo_) {
    const auto meeting = this->meeting();
    store = c10::make_intrusive<c10d::PrefixStore>(name, meeting->store);
    // No connection of the host breaks when a process is lost.
    look = meeting->monitor.connection_look(look);
  }
  const auto backend = std::make_shared<c10::intrusive_ptr<c10d::Backend>>();
  communicate([&] {
    within(
        options_.timeout_seconds + kConnectMarginSeconds,
        [=, timeout = milliseconds_of(options_.timeout_seconds), rank = static_cast<int>(rank())] {
          const c10::DeviceGuard guard(device);
          *backend = open_nccl(store, rank, static_cast<int>(count), timeout);
          connect_by_operations(*backend, device);
        },
        look);
  });
  return std::make_unique<BackendCommunicator>(std::move(*backend), look);
}

void ProcessGroup::report_error(const std::string& code, const std::string& message) {
  const auto meeting = connected();
  if (!meeting) return;
  meeting->monitor.report(code, message);
  // A process that waits for a text of this one learns of it at once.
  const std::unique_lock exchange(exchange_mutex_, std::try_to_lock);
  if (exchange) texts_.reset();
}

void ProcessGroup::throw_lost(const std::string& reason) {
  if (is_solo_) fail(ErrorCode::kInternal, meeting::sentence_of(reason));
  const PeerError error = meeting()->monitor.find_cause(reason, look());
  throw Error(error.code, error.message);
}

void ProcessGroup::leave() {
  {
    const std::lock_guard exchange(exchange_mutex_);
    texts_.reset();
  }
  // Threads that still look for a lost process share the connection.
  if (const auto meeting = connected()) meeting->monitor.leave();
  const std::lock_guard lock(meeting_mutex_);
  meeting_.reset();
}

std::vector<std::string> process_group_backends() {
  std::vector<std::string> backends{"gloo"};
  if (has_nccl()) backends.emplace_back("nccl");
  return backends;
}

}  // namespace reviewkd
