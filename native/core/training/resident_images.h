#pragma once
// Images that stay on a device: batches are gathered, cropped and normalized there, to the bits of those that BatchLoader makes.

#include <memory>
#include <mutex>

#include "core/data/batch_source.h"
#include "core/data/dataset.h"
#include "core/ops/device_fence.h"

namespace reviewkd {

/// The batches of a pass as a kernel gathers them. Its owner holds the memory that the kernel reads.
struct ResidentBatches {
  at::Tensor images;  // [set, 3, H, W], uint8 or float32
  at::Tensor labels;  // [set], int64
  at::Tensor lookup;  // [3, 256], float32, of bytes
  at::Tensor picks;   // [set, bytes of a pick], in the order of the pass
  int64_t batch_size = 0;

  /// Room for a batch of `count` images.
  Batch empty_batch(int64_t count) const;

  /// Gathers batch number `batch` of the pass; where a position on the device is given, the number that stands there counts instead.
  void gather(Batch& into, int64_t batch, const int64_t* position = nullptr) const;
};

/// One pass over images on a device.
class ResidentPass : public BatchSource {
 public:
  ResidentPass(ResidentBatches batches, const BatchPlan& plan);

  std::optional<Batch> next() override;
  ResidentPass* resident() override { return this; }

  const ResidentBatches& batches() const { return batches_; }
  /// Of the batches that `next` has not given yet, those of the whole batch size.
  int64_t whole_batches_left() const;
  /// Leaves out batches that were taken otherwise.
  void skip(int64_t batches) { next_ += batches; }

 private:
  ResidentBatches batches_;
  int64_t count_;
  int64_t next_;
};

class ResidentImages {
 public:
  ResidentImages(const Split& split, const Normalization& normalization, c10::Device device);

  /// One pass. picks: receives the order of the pass, in its memory if that is of the right size; undefined at first.
  std::shared_ptr<BatchSource> open(const BatchPlan& plan, at::Tensor& picks) const;

  c10::Device device() const { return images_.device(); }

 private:
  at::Tensor images_, labels_, lookup_;  // see ResidentBatches
  ops::DeviceFence copied_;
};

/// A split's copy on a device, made when it is first gone through there and kept as long as the split is.
class ResidentCopy {
 public:
  /// None if no accelerator serves the device, or the images take more than a quarter of its free memory.
  std::shared_ptr<const ResidentImages> on(c10::Device device, const Split& split, const Normalization& normalization);

 private:
  std::mutex mutex_;
  std::shared_ptr<const ResidentImages> images_;
};

/// One pass over the images, by way of the device if possible. picks: as ResidentImages::open has it.
std::shared_ptr<BatchSource> open_on(c10::Device device, const ImageSet& images, const BatchPlan& plan, at::Tensor& picks);

}  // namespace reviewkd
