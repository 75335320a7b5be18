#pragma once
// Batches made ahead of the trainer on a thread of their own.

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/data/dataset.h"

namespace reviewkd {

struct Batch {
  at::Tensor images;  // [N, 3, H, W], float32, channels-last
  at::Tensor labels;  // [N], int64
};

/// One pass over a split. The order and each image's crop are pure functions of seed, epoch and position, so a pass
/// can begin at any batch.
struct BatchPlan {
  int64_t batch_size = 128;
  uint64_t seed = 0;
  int64_t epoch = 0;
  bool shuffle = false;
  bool augment = false;
  /// Leave out a last batch with fewer images than this.
  int64_t smallest_batch = 1;
  int64_t first_batch = 0;
};

/// Batches in a whole pass over `size` images. Throws INVALID_ARGUMENT unless the batch size is positive.
int64_t batch_count(int64_t size, const BatchPlan& plan);

/// The order of a pass: a permutation of 0 … size - 1, drawn with Fisher and Yates' shuffle.
std::vector<int64_t> data_order(int64_t size, uint64_t seed, int64_t epoch, bool shuffle);

class BatchLoader {
 public:
  /// Starts to prepare batches. The split is kept alive as long as the loader is.
  BatchLoader(std::shared_ptr<const Dataset> dataset, const Split& split, const BatchPlan& plan);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch, or nothing after the last. Waits for the loader's thread. Safe to call from any one thread.
  std::optional<Batch> next();

 private:
  void prepare_all();
  Batch prepare(const std::vector<int64_t>& order, int64_t batch) const;

  static constexpr size_t kAhead = 3;

  std::shared_ptr<const Dataset> dataset_;
  const Split& split_;
  const BatchPlan plan_;
  const int64_t batches_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::exception_ptr error_;
  bool finished_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace reviewkd
