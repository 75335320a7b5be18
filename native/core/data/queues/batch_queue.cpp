#include "core/data/queues/batch_queue.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"

namespace reviewkd {

BatchQueue::BatchQueue(size_t ahead) : ahead_(ahead) {
  thread_ = std::thread([this] { prepare_all(); });
}

BatchQueue::~BatchQueue() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    raw_.clear();
  }
  changed_.notify_all();
  thread_.join();
}

void BatchQueue::open(const BatchPlan& plan, int64_t size) {
  std::function<void(bool)> callback;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(opened_, true))
      reviewkd::fail(ErrorCode::kInvalidArgument, "invalid pass: expected one per batch queue, received a second one.");
    plan_ = plan;
    size_ = size;
    batch_ = plan.first_batch;
    skip_batches_of_others();
    if (room()) callback = std::exchange(on_room_, nullptr);
  }
  if (callback) callback(true);
}

void BatchQueue::put_with(const std::function<void()>& add) {
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_) return;
    if (!opened_ || finished_)
      reviewkd::fail(ErrorCode::kInvalidArgument,
                     "invalid images: expected them during an open pass, received some before or after it.");
    add();
  }
  changed_.notify_all();
}

int64_t BatchQueue::batch_length() const {
  const int64_t images = plan_.images_of(batch_, size_);
  // More images than were announced fill whole batches, which are left.
  return images > 0 ? images : plan_.batch_size;
}

int64_t BatchQueue::own_length() const { return std::max<int64_t>(1, plan_.own(batch_, batch_length()).length); }

void BatchQueue::skip_batches_of_others() {
  while (plan_.images_of(batch_, size_) > 0 && plan_.own(batch_, batch_length()).length == 0) ++batch_;
}

void BatchQueue::push_if_whole() {
  if (filled() < own_length()) return;
  if (batch_length() < plan_.smallest_batch) drop_filled();
  else push_filled();
  ++batch_;
  skip_batches_of_others();
}

void BatchQueue::push_filled() {
  raw_.push_back(take_filled(plan_));
  ++waiting_;
}

int64_t BatchQueue::first_batch() const {
  const std::lock_guard lock(mutex_);
  return plan_.first_batch;
}

bool BatchQueue::has_room() const {
  const std::lock_guard lock(mutex_);
  return !cancelled_ && room();
}

bool BatchQueue::is_cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

void BatchQueue::when_room(std::function<void(bool)> callback) {
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    taken = !cancelled_;
    if (taken && !room()) {
      on_room_ = std::move(callback);
      return;
    }
  }
  callback(taken);
}

void BatchQueue::finish() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    // The producer had fewer images than it announced; its part of a batch is not all of it.
    if (filled() >= (plan_.share.is_whole() ? plan_.smallest_batch : 1)) push_filled();
  }
  changed_.notify_all();
}

void BatchQueue::fail(std::exception_ptr error) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    error_ = std::move(error);
  }
  changed_.notify_all();
}

void BatchQueue::cancel() {
  std::function<void(bool)> callback;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    drop_filled();
    raw_.clear();
    ready_.clear();
    callback = std::exchange(on_room_, nullptr);
  }
  changed_.notify_all();
  if (callback) callback(false);
}

std::optional<Batch> BatchQueue::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty() || prepared_ || cancelled_; });
  if (cancelled_) return std::nullopt;
  if (ready_.empty()) {
    if (error_) std::rethrow_exception(error_);
    return std::nullopt;
  }
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  --waiting_;
  const auto callback = std::exchange(on_room_, nullptr);
  lock.unlock();
  if (callback) callback(true);
  return batch;
}

void BatchQueue::prepare_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return !raw_.empty() || finished_ || cancelled_; });
    if (cancelled_ || raw_.empty()) break;
    Prepare prepare = std::move(raw_.front());
    raw_.pop_front();
    lock.unlock();
    std::optional<Batch> batch;
    std::exception_ptr error;
    try {
      batch = prepare();
    } catch (...) {
      error = std::current_exception();
    }
    prepare = nullptr;
    lock.lock();
    if (error) {
      finished_ = true;
      error_ = error;
      break;
    }
    ready_.push_back(std::move(*batch));
    changed_.notify_all();
  }
  prepared_ = true;
  changed_.notify_all();
}

}  // namespace reviewkd
