#pragma once
// A queue of images of any sizes with their objects, resized and padded for a detector.

#include <memory>
#include <vector>

#include "core/data/detection/instance_table.h"
#include "core/data/queues/batch_queue.h"

namespace reviewkd {

/// A decoded image of a pass.
struct DecodedImage {
  /// Its position in the table.
  int64_t position = 0;
  at::Tensor pixels;  // [H, W, 3], uint8
  /// Whether it is mirrored, with its objects.
  bool flip = false;
  /// The short side that it is resized to; 0: the plan's.
  double shortest = 0;
  /// Whether it replaces one that could not be read.
  bool is_replacement = false;
};

class DetectionQueue : public BatchQueue {
 public:
  /// truths: the objects of the whole split.
  DetectionQueue(std::shared_ptr<const InstanceTable> truths, size_t ahead);
  ~DetectionQueue() override { cancel(); }

  /// Adds an image to the batch that is being filled. Throws SHAPE_MISMATCH unless it has the size that the table
  /// describes, INVALID_ARGUMENT for a position that is not there.
  void put(DecodedImage image);

 protected:
  int64_t filled() const override { return static_cast<int64_t>(filling_.size()); }
  Prepare take_filled(const BatchPlan& plan) override;
  void drop_filled() override { filling_.clear(); }

 private:
  const std::shared_ptr<const InstanceTable> truths_;
  std::vector<DecodedImage> filling_;
};

/// Names of a detection batch's targets. Ragged: boxes [ΣK, 4] float32, labels [ΣK] int64, masks [ΣK, H, W] uint8,
/// padded as the images are. One row for each image: its position in the split, int64.
namespace detection_targets {
constexpr const char* kBoxes = "boxes";
constexpr const char* kLabels = "labels";
constexpr const char* kMasks = "masks";
constexpr const char* kPositions = "positions";
}  // namespace detection_targets

/// The images as a batch for `plan.detection`. Crowds are left out. Throws INVALID_ARGUMENT for masks that are damaged,
/// and if masks are required of an object that has none.
Batch detection_batch_of(const std::vector<DecodedImage>& images, const InstanceTable& truths,
                         const DetectionPlan& plan);

}  // namespace reviewkd
