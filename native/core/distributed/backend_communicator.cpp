#include "core/distributed/backend_communicator.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "core/base/stopwatch.h"
#include "core/distributed/rendezvous/store_client.h"

namespace reviewkd {
namespace {

/// How long a device may take to its last operation.
constexpr double kFinishSeconds = 5;

/// How often the host asks whether a device has done an operation, while it waits for it.
constexpr std::chrono::microseconds kBetweenQueries{20};

/// Whether an operation has ended, as its own thread says.
struct Ended {
  std::mutex mutex;
  std::condition_variable changed;
  bool has_ended = false;
};

}  // namespace

BackendCommunicator::BackendCommunicator(c10::intrusive_ptr<c10d::Backend> backend, std::function<void()> look)
    : backend_(std::move(backend)), look_(std::move(look)) {}

BackendCommunicator::~BackendCommunicator() {
  // A backend waits for its operations when it is destroyed, which an abandoned one would for the whole timeout.
  if (is_busy_) static_cast<void>(backend_.release());
  if (on_device_) finish_on_device();
}

void BackendCommunicator::finish() {
  if (!on_device_) return;
  communicate([&] {
    // Not waited for again, whatever happens.
    const auto work = std::exchange(on_device_, nullptr);
    Stopwatch since_look;
    for (; !work->isCompleted(); std::this_thread::sleep_for(kBetweenQueries)) {
      if (since_look.seconds() < std::chrono::duration<double>(kBetweenLooks).count()) continue;
      look_();
      since_look = {};
    }
    if (const auto error = work->exception()) std::rethrow_exception(error);
  });
}

void BackendCommunicator::finish_on_device() {
  try {
    const Stopwatch watch;
    while (!on_device_->isCompleted() && watch.seconds() < kFinishSeconds)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The device has failed, which was reported by the work on it.
  }
}

void BackendCommunicator::run(const std::function<c10::intrusive_ptr<c10d::Work>()>& start) {
  communicate([&] { wait_for(start()); });
}

void BackendCommunicator::wait_for(const c10::intrusive_ptr<c10d::Work>& work) {
  if (backend_->getBackendName() != "gloo") {
    work->wait();  // the current stream waits, not this thread
    on_device_ = work;
    return;
  }
  const auto ended = std::make_shared<Ended>();
  work->getFuture()->addCallback([ended](c10::ivalue::Future&) {
    {
      const std::lock_guard lock(ended->mutex);
      ended->has_ended = true;
    }
    ended->changed.notify_all();
  });
  {
    std::unique_lock lock(ended->mutex);
    while (!ended->changed.wait_for(lock, kBetweenLooks, [&] { return ended->has_ended; })) {
      is_busy_ = true;
      look_();
      is_busy_ = false;
    }
  }
  work->wait();  // throws its error
}

// c10d has renamed these operations; each version of libtorch has one of the two names.

void BackendCommunicator::all_gather(at::Tensor into, at::Tensor own) {
  const auto call = [&](auto& backend) {
    if constexpr (requires { backend.all_gather_single(into, own); }) return backend.all_gather_single(into, own);
    else return backend._allgather_base(into, own);
  };
  run([&] { return call(*backend_); });
}

void BackendCommunicator::all_to_all(at::Tensor into, at::Tensor own) {
  std::vector<int64_t> equal_parts;
  const auto call = [&](auto& backend) {
    if constexpr (requires { backend.all_to_all_single(into, own, equal_parts, equal_parts); })
      return backend.all_to_all_single(into, own, equal_parts, equal_parts);
    else return backend.alltoall_base(into, own, equal_parts, equal_parts);
  };
  run([&] { return call(*backend_); });
}

void BackendCommunicator::broadcast(at::Tensor values, int64_t from) {
  std::vector<at::Tensor> tensors{std::move(values)};
  c10d::BroadcastOptions options;
  options.rootRank = from;
  run([&] { return backend_->broadcast(tensors, options); });
}

}  // namespace reviewkd
