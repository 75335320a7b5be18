#pragma once
// Batches that a producer fills image by image: the way from a thread that must not block to the trainer, which may.

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "core/data/augmentation.h"
#include "core/data/batch_source.h"
#include "core/data/dataset.h"

namespace reviewkd {

/// Order of an image's values: [3, H, W] or [H, W, 3].
enum class PixelLayout { kPlanes, kInterleaved };

struct BatchQueueOptions {
  int64_t height = 0;
  int64_t width = 0;
  int64_t num_classes = 0;
  Normalization normalization;  // of bytes; floats are used as they are
  PixelLayout layout = PixelLayout::kPlanes;
  /// Whole batches that may wait for the trainer.
  size_t ahead = 3;
};

/// Images in the queue's layout, row by row.
struct PixelBlock {
  const void* values = nullptr;
  at::ScalarType dtype = at::kByte;  // kByte or kFloat
  const int64_t* labels = nullptr;
  int64_t count = 0;
  /// How many of them stand for others, which could not be read.
  int64_t replaced = 0;
};

/// One pass. Its three sides may be different threads: one that puts images, one that takes batches, and the queue's own,
/// which normalizes.
class BatchQueue : public BatchSource {
 public:
  explicit BatchQueue(const BatchQueueOptions& options);
  ~BatchQueue() override;

  /// The trainer opens the pass: from now on there is room, unless the queue was cancelled. Throws INVALID_ARGUMENT where
  /// it was opened before.
  void open(const BatchPlan& plan);

  /// The batch with which the pass begins. To be asked once there is room.
  int64_t first_batch() const;

  /// Copies images into the batch that is being filled. Never waits: who puts more than there is room for only takes
  /// memory. Throws LABEL_OUT_OF_RANGE or DTYPE_MISMATCH (a batch has one type); what comes after `cancel` is dropped.
  void put(const PixelBlock& block);

  /// Whether less than `ahead` batches wait, so that it is time to put more.
  bool has_room() const;

  /// Calls `callback` once, from any thread: with true when there is room, with false after `cancel`.
  void when_room(std::function<void(bool)> callback);

  /// Ends the pass. The images that are left make a last batch, if it is large enough for the plan.
  void finish();

  /// No more images come: `next` throws this after the whole batches that wait.
  void fail(std::exception_ptr error);

  /// Ends both sides: `next` returns nullopt from now on, and calls that block return.
  void cancel();

  std::optional<Batch> next() override;

 private:
  /// A batch as it was put.
  struct Raw {
    at::Tensor pixels;  // [N, 3 · H · W], uint8 or float32
    at::Tensor labels;  // [N], int64
    int64_t count = 0;
    int64_t replaced = 0;
  };

  void normalize_all();
  Batch normalized(const Raw& raw) const;
  bool room() const { return opened_ && waiting_ < options_.ahead; }
  void check(const PixelBlock& block) const;

  const BatchQueueOptions options_;
  const PixelLookup lookup_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  BatchPlan plan_;
  Raw filling_;
  std::deque<Raw> raw_;
  std::deque<Batch> ready_;
  size_t waiting_ = 0;  // raw, ready and between
  std::function<void(bool)> on_room_;
  std::exception_ptr error_;
  bool opened_ = false;
  bool finished_ = false;    // nothing more is put
  bool normalized_ = false;  // nothing more becomes ready
  bool cancelled_ = false;
  std::thread thread_;
};

}  // namespace reviewkd
