#pragma once
// Batches that a producer fills image by image: connects a producer that must not wait to a trainer that may.

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
  /// Number of whole batches that may wait for the trainer.
  size_t ahead = 3;

  static BatchQueueOptions from(const Options& options);
};

/// Contiguous images in the queue's layout.
struct PixelBlock {
  const void* values = nullptr;
  at::ScalarType dtype = at::kByte;  // kByte or kFloat
  const int64_t* labels = nullptr;
  int64_t count = 0;
  /// How many of them replace images that could not be read.
  int64_t replaced = 0;
};

/// One pass. Its three sides may be different threads: one that puts images, one that takes batches, and the queue's
/// own, which normalizes.
class BatchQueue : public BatchSource {
 public:
  explicit BatchQueue(const BatchQueueOptions& options);
  ~BatchQueue() override;

  /// Opens the pass for the trainer: from now on there is room, unless the queue was cancelled. Throws
  /// INVALID_ARGUMENT if it was opened before.
  void open(const BatchPlan& plan);

  /// The batch with which the pass begins. Valid once there is room.
  int64_t first_batch() const;

  /// Copies images into the batch that is being filled. Never waits: exceeding the room only takes memory. Throws
  /// LABEL_OUT_OF_RANGE or DTYPE_MISMATCH (a batch has one type); images put after `cancel` are dropped.
  void put(const PixelBlock& block);

  /// Whether fewer than `ahead` batches wait, so that more should be put.
  bool has_room() const;

  /// Calls `callback` once, from any thread: with true when there is room, with false when the queue is cancelled.
  void when_room(std::function<void(bool)> callback);

  /// Ends the pass. The remaining images make a last batch, if it is large enough for the plan.
  void finish();

  /// Ends the pass with an error, which `next` throws after the whole batches that wait.
  void fail(std::exception_ptr error);

  /// Aborts the pass on both sides: `next` returns nullopt from now on, and waiting threads continue.
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
  size_t waiting_ = 0;  // raw, being normalized and ready
  std::function<void(bool)> on_room_;
  std::exception_ptr error_;
  bool opened_ = false;
  bool finished_ = false;    // no more images are put
  bool normalized_ = false;  // no more batches become ready
  bool cancelled_ = false;
  std::thread thread_;
};

}  // namespace reviewkd
