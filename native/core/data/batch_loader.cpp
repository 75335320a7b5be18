#include "core/data/batch_loader.h"

#include <algorithm>
#include <numeric>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/data/augmentation.h"

namespace reviewkd {

std::vector<int64_t> data_order(int64_t size, uint64_t seed, int64_t epoch, bool shuffle) {
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  if (!shuffle) return order;
  constexpr uint64_t kTag = 0x6f72646572;  // "order"
  RandomStream random(key_of({kTag, seed, static_cast<uint64_t>(epoch)}));
  for (int64_t i = size - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  return order;
}

BatchLoader::BatchLoader(std::shared_ptr<const Dataset> dataset, const Split& split, const BatchPlan& plan)
    : dataset_(std::move(dataset)), split_(split), plan_(plan), batches_(batch_count(split.size(), plan)) {
  thread_ = std::thread([this] { prepare_all(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<Batch> BatchLoader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty() || finished_; });
  if (ready_.empty()) {
    if (error_) std::rethrow_exception(error_);
    return std::nullopt;
  }
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void BatchLoader::prepare_all() {
  try {
    const auto order = data_order(split_.size(), plan_.seed, plan_.epoch, plan_.shuffle);
    for (int64_t i = plan_.first_batch; i < batches_; ++i) {
      if (plan_.own(i, plan_.images_of(i, split_.size())).length == 0) continue;
      Batch batch = prepare(order, i);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ready_.size() < kAhead || stopped_; });
      if (stopped_) return;
      ready_.push_back(std::move(batch));
      lock.unlock();
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

Batch BatchLoader::prepare(const std::vector<int64_t>& order, int64_t batch) const {
  const auto [begin, count] = plan_.own(batch, plan_.images_of(batch, split_.size()));
  const int64_t first = batch * plan_.batch_size + begin;
  const int64_t values = 3 * split_.height() * split_.width();
  const at::Tensor batch_labels = at::empty({count}, at::kLong);
  Batch result{at::empty({count, 3, split_.height(), split_.width()},
                         at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast)),
               Targets::labels(batch_labels)};
  float* images = result.images.data_ptr<float>();
  int64_t* labels = batch_labels.data_ptr<int64_t>();
  const int64_t* all_labels = split_.labels.const_data_ptr<int64_t>();
  const ImageWriter writer(split_, dataset_->normalization);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = order[first + i];
    writer.write(index, plan_.augment ? random_crop(plan_.seed, plan_.epoch, index) : Crop{}, images + i * values);
    labels[i] = all_labels[index];
  }
  return result;
}

ImageSet images_of(const std::shared_ptr<const Dataset>& dataset, const Split& split) {
  return {
      .kind = dataset->kind,
      .num_classes = dataset->num_classes,
      .size = split.size(),
      .image_size = ImageSize{split.height(), split.width()},
      .open = [dataset, &split](const BatchPlan& plan) { return std::make_shared<BatchLoader>(dataset, split, plan); }};
}

}  // namespace reviewkd
