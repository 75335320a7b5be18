#pragma once
// Batches of a data set in memory, made ahead of the trainer on a thread of their own.

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/data/batch_source.h"
#include "core/data/dataset.h"

namespace reviewkd {

/// The order of a pass: a permutation of 0 … size - 1, drawn with Fisher and Yates' shuffle.
std::vector<int64_t> data_order(int64_t size, uint64_t seed, int64_t epoch, bool shuffle);

class BatchLoader : public BatchSource {
 public:
  /// Starts to prepare batches. The split is kept alive as long as the loader is.
  BatchLoader(std::shared_ptr<const Dataset> dataset, const Split& split, const BatchPlan& plan);
  ~BatchLoader() override;

  std::optional<Batch> next() override;

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

/// The images of a split, which are kept alive as long as the set or a pass over it is.
ImageSet images_of(const std::shared_ptr<const Dataset>& dataset, const Split& split);

}  // namespace reviewkd
