#pragma once
// The batches that a training or an evaluation reads, wherever they come from.

#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/options.h"
#include "core/data/share.h"
#include "core/data/targets.h"
#include "core/ops/images/resize_images.h"

namespace reviewkd {

class InstanceTable;

struct Batch {
  /// [N, 3, H, W], float32, channels-last: normalized for classifiers, values 0 … 1 for detectors.
  at::Tensor images;
  Targets targets;
  /// Images that stand for others, which could not be read.
  int64_t replaced = 0;
  /// Of each image without its padding; empty if no image has any.
  std::vector<ImageSize> sizes = {};

  ImageBatch image_batch() const { return {images, sizes}; }
};

/// How a detector receives images and objects.
struct DetectionPlan {
  /// Short and long side of resized images; no resizing if `min_size` is 0.
  double min_size = 0, max_size = 0;
  ops::ResizeRule resize = ops::ResizeRule::kTorchvision;
  bool masks = false;
  /// The detector's label of each category.
  std::vector<int64_t> label_of;
};

/// One pass over a set of images. The order and each image's augmentation are pure functions of seed, epoch and
/// position, so a pass can begin at any batch.
struct BatchPlan {
  int64_t batch_size = 128;
  uint64_t seed = 0;
  int64_t epoch = 0;
  bool shuffle = false;
  bool augment = false;
  /// Leave out a last batch with fewer images than this.
  int64_t smallest_batch = 1;
  int64_t first_batch = 0;
  /// Ends the pass after so many batches, counted from the first of all.
  std::optional<int64_t> max_batches = std::nullopt;
  /// The part of the pass that this process reads. Numbers and sizes of batches are those of all processes.
  Share share = {};
  Sharding sharding = Sharding::kWithinBatches;
  /// For detectors.
  std::optional<DetectionPlan> detection = std::nullopt;

  /// { batchSize, seed, epoch, shuffle, augment }, and where present dropLast, firstBatch and share: { rank, size }.
  static BatchPlan from(const Options& options);

  /// Of `size` images in all, those of a batch; its first one follows from the batch size.
  int64_t images_of(int64_t batch, int64_t size) const { return std::min(batch_size, size - batch * batch_size); }
  /// The part of this process in a batch of `images` images.
  Share::Range own(int64_t batch, int64_t images) const {
    if (sharding == Sharding::kWithinBatches) return share.of(images);
    return batch % share.size == share.rank ? Share::Range{0, images} : Share::Range{images, 0};
  }
};

/// Batches in a whole pass over `size` images, or up to its `max_batches`. Throws INVALID_ARGUMENT unless the batch size is positive.
int64_t batch_count(int64_t size, const BatchPlan& plan);

/// The batches of one pass, in order.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;

  /// The next batch; nullopt after the last. Blocks until it is ready. Not thread-safe: one caller at a time.
  virtual std::optional<Batch> next() = 0;

  /// From any thread: a `next` that waits returns nullopt, and so does every later one.
  virtual void cancel() {}
};

/// Images with their targets, of which passes can be opened.
struct ImageSet {
  /// Names the data set in messages.
  std::string kind;
  /// Classes of the targets; 0 if they have none.
  int64_t num_classes = 0;
  int64_t size = 0;
  /// Of images that all have the same.
  std::optional<ImageSize> image_size = std::nullopt;
  /// Of detection: all objects, and the ids of their categories.
  std::shared_ptr<const InstanceTable> truths = nullptr;
  std::vector<int64_t> category_ids = {};
  std::function<std::shared_ptr<BatchSource>(const BatchPlan&)> open;
};

}  // namespace reviewkd
