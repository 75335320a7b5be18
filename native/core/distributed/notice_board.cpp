#include "core/distributed/notice_board.h"

#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/base/stopwatch.h"

namespace reviewkd {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};

/// In c10d's words, by which timeouts are known.
class TimedOut : public std::runtime_error {
 public:
  TimedOut() : std::runtime_error("Timed out waiting for the process that runs the store") {}
};

}  // namespace

void within(double seconds, const std::function<void()>& work, const std::function<void()>& look) {
  std::packaged_task<void()> task(work);
  std::future<void> ended = task.get_future();
  std::thread(std::move(task)).detach();
  Stopwatch watch;
  double waited = 0;
  while (ended.wait_for(kBetweenLooks) != std::future_status::ready) {
    if (look) look();
    waited += watch.lap();
    if (waited >= seconds) throw TimedOut();
  }
  ended.get();
}

NoticeBoard::NoticeBoard(c10::intrusive_ptr<c10d::Store> store, double seconds)
    : store_(std::move(store)), seconds_(seconds) {}

void NoticeBoard::call(const std::function<void(c10d::Store&)>& work) {
  if (hangs_) throw TimedOut();
  try {
    within(seconds_, [store = store_, work] { work(*store); });
  } catch (const TimedOut&) {
    hangs_ = true;
    throw;
  }
}

bool NoticeBoard::has(const std::string& key) {
  const auto result = std::make_shared<bool>();
  call([=](c10d::Store& store) { *result = store.check({key}); });
  return *result;
}

std::string NoticeBoard::read(const std::string& key) {
  const auto result = std::make_shared<std::string>();
  call([=](c10d::Store& store) { *result = store.get_to_str(key); });
  return *result;
}

void NoticeBoard::write(const std::string& key, const std::string& text) {
  call([=](c10d::Store& store) { store.set(key, text); });
}

int64_t NoticeBoard::count(const std::string& key) {
  const auto result = std::make_shared<int64_t>();
  call([=](c10d::Store& store) { *result = store.add(key, 1); });
  return *result;
}

}  // namespace reviewkd
