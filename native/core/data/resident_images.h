#pragma once
// Images that stay on a device: batches are gathered, cropped and normalized there, to the bits of those that BatchLoader makes.

#include <memory>
#include <mutex>

#include "core/data/batch_source.h"
#include "core/data/dataset.h"

namespace reviewkd {

class ResidentImages {
 public:
  ResidentImages(const Split& split, const Normalization& normalization, c10::Device device);

  /// One pass. Batches are on the device.
  std::shared_ptr<BatchSource> open(const BatchPlan& plan) const;

  c10::Device device() const { return images_.device(); }

 private:
  at::Tensor images_;  // [N, 3, H, W], uint8 or float32
  at::Tensor labels_;  // [N], int64
  at::Tensor lookup_;  // [3, 256], float32, of bytes
};

/// A split's copy on a device, made when it is first gone through there and kept as long as the split is.
class ResidentCopy {
 public:
  /// None where no accelerator serves the device, or the images take more than a quarter of its free memory.
  std::shared_ptr<const ResidentImages> on(c10::Device device, const Split& split, const Normalization& normalization);

 private:
  std::mutex mutex_;
  std::shared_ptr<const ResidentImages> images_;
};

/// One pass over the images, by way of the device where that can be.
std::shared_ptr<BatchSource> open_on(c10::Device device, const ImageSet& images, const BatchPlan& plan);

}  // namespace reviewkd
