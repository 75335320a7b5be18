#pragma once
// A queue of labelled images of one size, normalized for classifiers.

#include "core/data/augmentation.h"
#include "core/data/dataset.h"
#include "core/data/queues/batch_queue.h"

namespace reviewkd {

/// Order of an image's values: [3, H, W] or [H, W, 3].
enum class PixelLayout { kPlanes, kInterleaved };

struct ImageQueueOptions {
  int64_t height = 0;
  int64_t width = 0;
  int64_t num_classes = 0;
  Normalization normalization;  // of bytes; floats are used as they are
  PixelLayout layout = PixelLayout::kPlanes;
  /// Number of whole batches that may wait for the trainer.
  size_t ahead = 3;

  static ImageQueueOptions from(const Options& options);
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

class ImageQueue : public BatchQueue {
 public:
  explicit ImageQueue(const ImageQueueOptions& options);
  ~ImageQueue() override { cancel(); }

  /// Copies images into the batch that is being filled. Never waits: exceeding the room only takes memory. Throws
  /// LABEL_OUT_OF_RANGE or DTYPE_MISMATCH (a batch has one type); images put after `cancel` are dropped.
  void put(const PixelBlock& block);

 protected:
  int64_t filled() const override { return filling_.count; }
  Prepare take_filled(const BatchPlan& plan) override;
  void drop_filled() override { filling_ = {}; }

 private:
  /// A batch as it was put.
  struct Raw {
    at::Tensor pixels;  // [N, 3 · H · W], uint8 or float32
    at::Tensor labels;  // [N], int64
    int64_t count = 0;
    int64_t replaced = 0;
  };
  /// Options, and the values of bytes.
  struct Converter {
    explicit Converter(const ImageQueueOptions& given) : options(given), lookup(lookup_of(given.normalization)) {}

    Batch normalized(const Raw& raw) const;

    ImageQueueOptions options;
    PixelLookup lookup;
  };

  void check(const PixelBlock& block) const;

  const std::shared_ptr<const Converter> converter_;
  Raw filling_;
};

}  // namespace reviewkd
