#include "core/distributed/rendezvous/store_client.h"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "core/base/stopwatch.h"

namespace reviewkd {
namespace {

void wait_for(std::future<void>& ended, double seconds, const Look& look, const char* reason) {
  const Stopwatch watch;
  if (look) look();
  while (ended.wait_for(kBetweenLooks) != std::future_status::ready) {
    if (look) look();
    if (watch.seconds() >= seconds) throw TimedOut(reason);
  }
  ended.get();
}

}  // namespace

void within(double seconds, const std::function<void()>& work, const Look& look) {
  std::packaged_task<void()> task(work);
  std::future<void> ended = task.get_future();
  std::thread(std::move(task)).detach();
  wait_for(ended, seconds, look, "Timed out");
}

/// A thread that calls the store, one call after the other: c10d itself makes all calls wait for one that hangs.
class StoreClient::Connection {
 public:
  explicit Connection(c10::intrusive_ptr<c10d::Store> store) : state_(std::make_shared<State>()) {
    state_->store = std::move(store);
    thread_ = std::thread([state = state_] { state->run(); });
  }

  ~Connection() {
    bool is_busy = false;
    {
      const std::lock_guard lock(state_->mutex);
      state_->is_over = true;
      is_busy = state_->is_busy;
    }
    state_->changed.notify_all();
    // A call that hangs is left alone.
    if (is_busy) thread_.detach();
    else thread_.join();
  }

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void call(const std::function<void(c10d::Store&)>& work, double seconds, const Look& look) {
    std::packaged_task<void()> task([store = state_->store, work] { work(*store); });
    std::future<void> ended = task.get_future();
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->hangs) throw TimedOut(kReason);
      state_->tasks.push_back(std::move(task));
    }
    state_->changed.notify_all();
    try {
      wait_for(ended, seconds, look, kReason);
    } catch (const TimedOut&) {
      const std::lock_guard lock(state_->mutex);
      state_->hangs = state_->is_busy;
      throw;
    }
  }

 private:
  static constexpr const char* kReason = "Timed out waiting for the process that runs the store";

  struct State {
    c10::intrusive_ptr<c10d::Store> store;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::packaged_task<void()>> tasks;
    bool is_busy = false;
    /// The call that runs has taken longer than its caller waited.
    bool hangs = false;
    bool is_over = false;

    void run() {
      std::unique_lock lock(mutex);
      while (true) {
        changed.wait(lock, [&] { return !tasks.empty() || is_over; });
        if (is_over) return;
        auto task = std::move(tasks.front());
        tasks.pop_front();
        is_busy = true;
        lock.unlock();
        task();
        task = {};  // what it holds is destroyed before the lock is taken
        lock.lock();
        is_busy = hangs = false;
      }
    }
  };

  std::shared_ptr<State> state_;
  std::thread thread_;
};

StoreClient::StoreClient(c10::intrusive_ptr<c10d::Store> store, double seconds, Look look)
    : connection_(std::make_shared<Connection>(std::move(store))), seconds_(seconds), look_(std::move(look)) {}

StoreClient StoreClient::within(double seconds, Look look) const {
  StoreClient other = *this;
  other.seconds_ = seconds;
  other.look_ = std::move(look);
  return other;
}

template <typename Work>
auto StoreClient::call(const Work& work) const {
  using Result = decltype(work(std::declval<c10d::Store&>()));
  // Also there if the caller has given up.
  const auto result = std::make_shared<Result>();
  connection_->call([=](c10d::Store& store) { *result = work(store); }, seconds_, look_);
  return std::move(*result);
}

bool StoreClient::has_all(const std::vector<std::string>& keys) const {
  return call([keys](c10d::Store& store) { return store.check(keys); });
}

std::string StoreClient::read(const std::string& key) const {
  return call([key](c10d::Store& store) { return store.get_to_str(key); });
}

std::vector<std::string> StoreClient::read_all(const std::vector<std::string>& keys) const {
  return call([keys](c10d::Store& store) {
    std::vector<std::string> texts;
    for (const auto& bytes : store.multiGet(keys)) texts.emplace_back(bytes.begin(), bytes.end());
    return texts;
  });
}

void StoreClient::write(const std::string& key, const std::string& text) const {
  call([key, text](c10d::Store& store) {
    store.set(key, text);
    return true;
  });
}

std::string StoreClient::write_first(const std::string& key, const std::string& text) const {
  return call([key, text](c10d::Store& store) { return store.compareSet(key, std::string(), text); });
}

int64_t StoreClient::count(const std::string& key) const {
  return call([key](c10d::Store& store) { return store.add(key, 1); });
}

}  // namespace reviewkd
