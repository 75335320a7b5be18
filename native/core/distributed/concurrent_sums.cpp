#include "core/distributed/concurrent_sums.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/ops/backend/device_fence.h"

namespace reviewkd {
namespace {

class SumsOnThread : public ConcurrentSums {
 public:
  explicit SumsOnThread(Communicator& communicator) : communicator_(communicator), thread_([this] { run(); }) {}

  ~SumsOnThread() override {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void begin(const at::Tensor& values, int64_t active) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.emplace_back(values, active);
      ++left_;
    }
    changed_.notify_all();
  }

  void wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return left_ == 0; });
    if (const auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
  }

 private:
  void run() {
    at::globalContext().setFlushDenormal(true);  // as on the threads of sessions
    at::set_num_threads(1);                      // the others are busy with the backward pass
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !queue_.empty() || is_over_; });
      if (queue_.empty()) return;
      const auto [values, active] = std::move(queue_.front());
      queue_.pop_front();
      std::exception_ptr error = error_;
      lock.unlock();
      try {
        if (!error) sum_in_order(communicator_, values, active);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      error_ = error;
      --left_;
      changed_.notify_all();
    }
  }

  Communicator& communicator_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<at::Tensor, int64_t>> queue_;
  size_t left_ = 0;
  std::exception_ptr error_;
  bool is_over_ = false;
  std::thread thread_;
};

/// All callers are on one thread at a time, and their current stream is the one on which the values are computed.
class SumsOnStream : public ConcurrentSums {
 public:
  SumsOnStream(Communicator& communicator, c10::Device device)
      : communicator_(communicator),
        device_(device),
        // Its short kernels run before those of the backward pass that wait.
        stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, /*isHighPriority=*/true)) {}

  ~SumsOnStream() override {
    try {
      join();  // the memory of the values may be used again
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
      // The device has failed, which was reported by the work on it.
    }
  }

  void begin(const at::Tensor& values, int64_t active) override {
    if (error_) return;
    try {
      complete_.record(device_);
      const c10::StreamGuard guard(stream_);
      complete_.wait(device_);
      sum_in_order(communicator_, values, active);
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void wait() override {
    if (const auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
    join();
  }

 private:
  /// Makes the current stream wait for the sums.
  void join() {
    {
      const c10::StreamGuard guard(stream_);
      summed_.record(device_);
    }
    summed_.wait(device_);
  }

  Communicator& communicator_;
  c10::Device device_;
  c10::Stream stream_;
  ops::DeviceFence complete_, summed_;
  std::exception_ptr error_;
};

}  // namespace

std::unique_ptr<ConcurrentSums> concurrent_sums(Communicator& communicator, c10::Device device) {
  if (device.is_cpu()) return std::make_unique<SumsOnThread>(communicator);
  return std::make_unique<SumsOnStream>(communicator, device);
}

}  // namespace reviewkd
