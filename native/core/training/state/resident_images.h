#pragma once
// Images that stay on a device: batches are gathered, cropped and normalized there, with the bits that BatchLoader's
// have.

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/data/batch_source.h"
#include "core/data/dataset.h"
#include "core/ops/backend/device_fence.h"

namespace reviewkd {

/// Images with labels, as a kernel writes them.
struct GatheredImages {
  at::Tensor images;  // [N, 3, H, W], float32, channels-last
  at::Tensor labels;  // [N], int64

  Batch batch() const { return {images, Targets::labels(labels)}; }
};

/// The batches of a pass as a kernel gathers them. The owner holds the memory that the kernel reads.
struct ResidentBatches {
  at::Tensor images;  // [set, 3, H, W], uint8 or float32
  at::Tensor labels;  // [set], int64
  at::Tensor lookup;  // [3, 256], float32, of bytes
  at::Tensor picks;   // [set, bytes of a pick], in the order of the pass
  int64_t batch_size = 0;

  /// Memory for `count` images.
  GatheredImages allocate(int64_t count) const;

  /// Gathers as many images as `into` has, from image `first` of the pass on. With a position on the device, from image
  /// position · count on.
  void gather(const GatheredImages& into, int64_t first, const int64_t* position = nullptr) const;
};

/// One pass over images on a device.
class ResidentPass : public BatchSource {
 public:
  ResidentPass(ResidentBatches batches, const BatchPlan& plan);

  std::optional<Batch> next() override;

  const ResidentBatches& batches() const { return batches_; }
  /// The batches of the whole batch size that `next` has not returned yet.
  int64_t full_batches_left() const;
  /// Skips batches that were gathered by the caller.
  void skip(int64_t batches) { next_ += batches; }

 private:
  ResidentBatches batches_;
  BatchPlan plan_;
  int64_t count_;
  int64_t next_;
};

class ResidentImages {
 public:
  ResidentImages(const Split& split, const Normalization& normalization, c10::Device device);

  /// One pass. picks: receives the order of the pass, in its memory if that is of the right size; undefined at first.
  std::shared_ptr<ResidentPass> open(const BatchPlan& plan, at::Tensor& picks) const;

  c10::Device device() const { return images_.device(); }

 private:
  at::Tensor images_, labels_, lookup_;  // see ResidentBatches
  ops::DeviceFence copied_;
};

/// A split's copy on a device, made on first use and kept until this object is destroyed or another device is
/// requested.
class ResidentCopy {
 public:
  /// The split belongs to the data set, which is kept alive.
  ResidentCopy(std::shared_ptr<const Dataset> dataset, const Split& split)
      : dataset_(std::move(dataset)), split_(split) {}

  /// Null if no kernels serve the device, or the images take more than a quarter of its free memory.
  std::shared_ptr<const ResidentImages> on(c10::Device device);

 private:
  std::shared_ptr<const Dataset> dataset_;
  const Split& split_;
  std::mutex mutex_;
  std::shared_ptr<const ResidentImages> images_;
};

/// Images to train or evaluate on.
struct TrainingImages {
  TrainingImages(ImageSet images, std::shared_ptr<ResidentCopy> copy = nullptr)
      : set(std::move(images)), resident(std::move(copy)) {}

  ImageSet set;
  /// Their copy on a device; null if they do not lie in memory.
  std::shared_ptr<ResidentCopy> resident;
};

struct OpenPass {
  std::shared_ptr<BatchSource> source;
  /// The source, if its images lie on the device.
  ResidentPass* resident = nullptr;
};

/// One pass over the images, by way of the device if possible. picks: as ResidentImages::open has it.
OpenPass open_on(c10::Device device, const TrainingImages& images, const BatchPlan& plan, at::Tensor& picks);

}  // namespace reviewkd
