#include "core/data/batch_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace reviewkd {

BatchQueueOptions BatchQueueOptions::from(const Options& options) {
  return {
      .height = options.integer("height"),
      .width = options.integer("width"),
      .num_classes = options.integer("numClasses"),
      .normalization = Normalization::from(options.options("normalization")),
      .layout = options.choice<PixelLayout>(
          "layout", {{"planes", PixelLayout::kPlanes}, {"interleaved", PixelLayout::kInterleaved}}),
      .ahead = static_cast<size_t>(options.integer("ahead")),
  };
}

BatchQueue::BatchQueue(const BatchQueueOptions& options)
    : options_(options), lookup_(lookup_of(options.normalization)) {
  thread_ = std::thread([this] { normalize_all(); });
}

BatchQueue::~BatchQueue() {
  cancel();
  thread_.join();
}

void BatchQueue::open(const BatchPlan& plan) {
  std::function<void(bool)> callback;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(opened_, true))
      reviewkd::fail(ErrorCode::kInvalidArgument, "invalid pass: expected one per batch queue, received a second one.");
    plan_ = plan;
    if (room()) callback = std::exchange(on_room_, nullptr);
  }
  if (callback) callback(true);
}

void BatchQueue::check(const PixelBlock& block) const {
  if (filling_.count > 0 && filling_.pixels.scalar_type() != block.dtype) {
    reviewkd::fail(ErrorCode::kDtypeMismatch, "invalid images: expected ", filling_.pixels.scalar_type(),
                   ", as at the start of the batch, received ", block.dtype, ".");
  }
  const auto* end = block.labels + block.count;
  const auto* bad =
      std::find_if(block.labels, end, [&](int64_t label) { return label < 0 || label >= options_.num_classes; });
  if (bad != end)
    reviewkd::fail(ErrorCode::kLabelOutOfRange, "invalid label: expected 0 to ", options_.num_classes - 1,
                   ", received ", *bad, ".");
}

void BatchQueue::put(const PixelBlock& block) {
  const int64_t values = 3 * options_.height * options_.width;
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  if (!opened_ || finished_)
    reviewkd::fail(ErrorCode::kInvalidArgument,
                   "invalid images: expected them during an open pass, received some before or after it.");
  check(block);
  for (int64_t done = 0; done < block.count;) {
    if (filling_.count == 0) {
      filling_.pixels = at::empty({plan_.batch_size, values}, block.dtype);
      filling_.labels = at::empty({plan_.batch_size}, at::kLong);
    }
    const int64_t count = std::min(block.count - done, plan_.batch_size - filling_.count);
    const size_t image_bytes = values * filling_.pixels.element_size();
    std::memcpy(static_cast<uint8_t*>(filling_.pixels.mutable_data_ptr()) + filling_.count * image_bytes,
                static_cast<const uint8_t*>(block.values) + done * image_bytes, count * image_bytes);
    std::copy_n(block.labels + done, count, filling_.labels.data_ptr<int64_t>() + filling_.count);
    filling_.count += count;
    done += count;
    if (done == block.count) filling_.replaced += block.replaced;
    if (filling_.count == plan_.batch_size) {
      raw_.push_back(std::exchange(filling_, {}));
      ++waiting_;
    }
  }
  lock.unlock();
  changed_.notify_all();
}

int64_t BatchQueue::first_batch() const {
  const std::lock_guard lock(mutex_);
  return plan_.first_batch;
}

bool BatchQueue::has_room() const {
  const std::lock_guard lock(mutex_);
  return !cancelled_ && room();
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
    if (filling_.count > 0 && filling_.count >= plan_.smallest_batch) {
      raw_.push_back(std::exchange(filling_, {}));
      ++waiting_;
    }
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
    filling_ = {};
    raw_.clear();
    ready_.clear();
    callback = std::exchange(on_room_, nullptr);
  }
  changed_.notify_all();
  if (callback) callback(false);
}

std::optional<Batch> BatchQueue::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty() || normalized_ || cancelled_; });
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

void BatchQueue::normalize_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return !raw_.empty() || finished_ || cancelled_; });
    if (cancelled_ || raw_.empty()) break;
    const Raw raw = std::move(raw_.front());
    raw_.pop_front();
    lock.unlock();
    std::optional<Batch> batch;
    std::exception_ptr error;
    try {
      batch = normalized(raw);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) {
      finished_ = true;
      error_ = error;
      break;
    }
    ready_.push_back(std::move(*batch));
    changed_.notify_all();
  }
  normalized_ = true;
  changed_.notify_all();
}

Batch BatchQueue::normalized(const Raw& raw) const {
  const int64_t plane = options_.height * options_.width;
  Batch result{at::empty({raw.count, 3, options_.height, options_.width},
                         at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast)),
               Targets::labels(raw.labels.narrow(0, 0, raw.count)), raw.replaced};
  const bool planes = options_.layout == PixelLayout::kPlanes;
  // value(channel, i) reads the i-th value of all images.
  const auto write_with = [&](auto value) {
    float* out = result.images.data_ptr<float>();
    for (int64_t image = 0; image < raw.count; ++image) {
      const int64_t first = image * 3 * plane;
      for (int64_t pixel = 0; pixel < plane; ++pixel) {
        for (int64_t channel = 0; channel < 3; ++channel) {
          *out++ = value(channel, first + (planes ? channel * plane + pixel : 3 * pixel + channel));
        }
      }
    }
  };
  if (raw.pixels.scalar_type() == at::kByte) {
    const uint8_t* bytes = raw.pixels.const_data_ptr<uint8_t>();
    write_with([&](int64_t channel, int64_t i) { return lookup_[channel][bytes[i]]; });
  } else {
    const float* floats = raw.pixels.const_data_ptr<float>();
    write_with([&](int64_t, int64_t i) { return floats[i]; });
  }
  return result;
}

}  // namespace reviewkd
