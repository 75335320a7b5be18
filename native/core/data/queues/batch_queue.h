#pragma once
// Batches that a producer fills image by image: connects a producer that must not wait to a trainer that may.

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "core/data/batch_source.h"

namespace reviewkd {

/// One pass. Its three sides may be different threads: one that puts images, one that takes batches, and the queue's
/// own, which prepares them.
class BatchQueue : public BatchSource {
 public:
  /// ahead: number of whole batches that may wait for the trainer.
  explicit BatchQueue(size_t ahead);
  ~BatchQueue() override;

  /// Opens the pass for the trainer: from now on there is room, unless the queue was cancelled. size: of the whole
  /// pass, in images. Throws INVALID_ARGUMENT if it was opened before.
  void open(const BatchPlan& plan, int64_t size);

  /// The batch with which the pass begins. Valid once there is room.
  int64_t first_batch() const;

  /// Whether fewer than `ahead` batches wait, so that more should be put.
  bool has_room() const;

  bool is_cancelled() const;

  /// Calls `callback` once, from any thread: with true when there is room, with false when the queue is cancelled.
  void when_room(std::function<void(bool)> callback);

  /// Ends the pass. The remaining images make a last batch, if it is large enough for the plan.
  void finish();

  /// Ends the pass with an error, which `next` throws after the whole batches that wait.
  void fail(std::exception_ptr error);

  /// Aborts the pass on both sides: `next` returns nullopt from now on, and waiting threads continue.
  void cancel() override;

  std::optional<Batch> next() override;

 protected:
  /// Prepares a batch on the queue's thread. Holds what it needs: the queue may be gone by then.
  using Prepare = std::function<Batch()>;

  /// Calls `add`, which may add images to the batch that is being filled, under the lock; not after `cancel`. Throws
  /// INVALID_ARGUMENT outside of an open pass.
  void put_with(const std::function<void()>& add);
  /// Images of this process in the batch that is being filled. Call from within `put_with`, as the next one.
  int64_t own_length() const;
  /// Call after images were added: pushes the batch that is being filled if it has all of them.
  void push_if_whole();

  /// Of the batch that is being filled. These are called under the lock.
  virtual int64_t filled() const = 0;
  /// Its images, of which there are some: they are the next batch.
  virtual Prepare take_filled(const BatchPlan& plan) = 0;
  virtual void drop_filled() = 0;

 private:
  void prepare_all();
  void push_filled();
  /// Images of all processes in the batch that is being filled.
  int64_t batch_length() const;
  void skip_batches_of_others();
  bool room() const { return opened_ && waiting_ < ahead_; }

  const size_t ahead_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  BatchPlan plan_;
  int64_t size_ = 0;
  int64_t batch_ = 0;  // the one that is being filled
  std::deque<Prepare> raw_;
  std::deque<Batch> ready_;
  size_t waiting_ = 0;  // raw, being prepared and ready
  std::function<void(bool)> on_room_;
  std::exception_ptr error_;
  bool opened_ = false;
  bool finished_ = false;   // no more images are put
  bool prepared_ = false;   // no more batches become ready
  bool cancelled_ = false;
  std::thread thread_;
};

}  // namespace reviewkd
