#pragma once
// Carries images from JavaScript to a native thread that trains or evaluates.

#include <napi.h>

#include "binding/support/handle.h"
#include "core/data/detection/detection_queue.h"
#include "core/data/queues/image_queue.h"

namespace reviewkd::binding {

/// A queue for one pass, and a description of the images in it.
struct QueuedImages {
  std::shared_ptr<BatchQueue> queue;
  ImageSet set;
  /// The same queue by what it is.
  std::shared_ptr<ImageQueue> images;
  std::shared_ptr<DetectionQueue> detection;
  /// Number of values per labelled image.
  int64_t image_values = 0;

  ~QueuedImages() { queue->cancel(); }
};

class BatchQueueHandle : public Handle<BatchQueueHandle, QueuedImages> {
 public:
  static constexpr const char* kName = "BatchQueue";
  static constexpr napi_type_tag kTag = {0x4e19d07ac5b3f286, 0xa83c5f0e6d2174b9};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  /// (batchSize, smallestBatch, firstBatch, { masks, labels: of each category } for images with boxes, { rank, size } of
  /// several processes)
  void open(const Napi::CallbackInfo& info);
  Napi::Value first_batch(const Napi::CallbackInfo& info);
  void put(const Napi::CallbackInfo& info);
  /// (pixels: Uint8Array, height, width, { position, flip, shortest, isReplacement })
  void put_decoded(const Napi::CallbackInfo& info);
  Napi::Value room(const Napi::CallbackInfo& info);
  Napi::Value next(const Napi::CallbackInfo& info);
  void finish(const Napi::CallbackInfo& info);
  void fail_with(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
};

/// ({ kind, numClasses, size, height, width, layout, normalization, ahead }) -> BatchQueue
Napi::Value new_batch_queue(const Napi::CallbackInfo& info);

/// ({ kind, size, categoryIds, ahead }, truths: DetectionEvaluation) -> BatchQueue
Napi::Value new_detection_queue(const Napi::CallbackInfo& info);

/// (size, seed, epoch, shuffle) -> Promise<Uint32Array>: the image order of a pass.
Napi::Value data_order_of(const Napi::CallbackInfo& info);

/// (seed, epoch, index, height, width, { scale: [number, number], ratio: [number, number] }) -> { top, left, height,
/// width, flip }
Napi::Value random_resized_crop_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
