#include "core/data/detection/detection_queue.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/ops/images/resize_images.h"

namespace reviewkd {
namespace {

/// The side of a batch is a multiple of a detector's largest stride in its backbone.
constexpr int64_t kDivisor = 32;

/// The objects of one image, in its resized pixels.
struct ResizedObjects {
  std::vector<float> boxes;
  std::vector<int64_t> labels;
  at::Tensor masks;  // [K, height, width], uint8
};

/// The corners of a box within the image.
std::array<double, 4> corners_within(const XywhBox& box, const EvaluatedImage& image) {
  const auto within = [](double value, int64_t limit) { return std::clamp(value, 0.0, static_cast<double>(limit)); };
  return {within(box.x, image.width), within(box.y, image.height), within(box.x + box.width, image.width),
          within(box.y + box.height, image.height)};
}

at::Tensor bitmap_of(const TruthInstance& truth, const EvaluatedImage& image) {
  at::Tensor bitmap = at::empty({image.height, image.width}, at::kByte);
  decode_mask(truth.mask, bitmap.data_ptr<uint8_t>());
  return bitmap;
}

ResizedObjects objects_of(const DecodedImage& image, const InstanceTable& truths, const DetectionPlan& plan,
                          ImageSize size) {
  const auto position = static_cast<size_t>(image.position);
  const EvaluatedImage& described = truths.described(position);
  const double x_scale = static_cast<double>(size.width) / static_cast<double>(described.width);
  const double y_scale = static_cast<double>(size.height) / static_cast<double>(described.height);
  ResizedObjects objects;
  std::vector<at::Tensor> masks;
  const auto instances = truths.image(position, plan.masks ? OverlapKind::kMasks : OverlapKind::kBoxes);
  for (const TruthInstance& truth : instances.truths) {
    if (truth.is_crowd) continue;
    auto [x1, y1, x2, y2] = corners_within(truth.box, described);
    if (image.flip) {
      const double left = static_cast<double>(described.width) - x2;
      x2 = static_cast<double>(described.width) - x1;
      x1 = left;
    }
    for (const double corner : {x1 * x_scale, y1 * y_scale, x2 * x_scale, y2 * y_scale})
      objects.boxes.push_back(static_cast<float>(corner));
    objects.labels.push_back(plan.label_of.at(static_cast<size_t>(truth.category)));
    if (!plan.masks) continue;
    // One at a time: all bitmaps of a huge image with many objects would not fit into memory.
    at::Tensor bitmap = bitmap_of(truth, described).unsqueeze(0);  // [1, H, W]
    if (image.flip) bitmap = bitmap.flip({2});
    masks.push_back(ops::resize_masks(bitmap, size));
  }
  if (plan.masks) objects.masks = masks.empty() ? at::empty({0, size.height, size.width}, at::kByte) : at::cat(masks);
  return objects;
}

}  // namespace

DetectionQueue::DetectionQueue(std::shared_ptr<const InstanceTable> truths, size_t ahead)
    : BatchQueue(ahead), truths_(std::move(truths)) {}

void DetectionQueue::put(DecodedImage image) {
  if (image.position < 0 || image.position >= static_cast<int64_t>(truths_->size())) {
    reviewkd::fail(ErrorCode::kInvalidArgument, "invalid image: expected a position from 0 to ", truths_->size(),
                   ", received ", image.position, ".");
  }
  const EvaluatedImage& described = truths_->described(static_cast<size_t>(image.position));
  if (image.pixels.size(0) != described.height || image.pixels.size(1) != described.width) {
    reviewkd::fail(ErrorCode::kShapeMismatch, "invalid image ", described.id, ": expected ", described.height, " × ",
                   described.width, " pixels as annotated, received ", image.pixels.size(0), " × ",
                   image.pixels.size(1), ".");
  }
  put_with([&] {
    filling_.push_back(std::move(image));
    push_if_whole();
  });
}

BatchQueue::Prepare DetectionQueue::take_filled(const BatchPlan& plan) {
  if (!plan.detection)
    reviewkd::fail(ErrorCode::kInvalidArgument,
                   "invalid network: expected a detector for images with boxes, received a classifier. Create it with "
                   "createDetector.");
  return [images = std::exchange(filling_, {}), truths = truths_, detection = *plan.detection] {
    return detection_batch_of(images, *truths, detection);
  };
}

Batch detection_batch_of(const std::vector<DecodedImage>& images, const InstanceTable& truths,
                         const DetectionPlan& plan) {
  std::vector<at::Tensor> resized;
  std::vector<float> boxes;
  std::vector<int64_t> labels, counts, positions;
  std::vector<at::Tensor> masks;
  Batch batch;
  for (const DecodedImage& image : images) {
    const ImageSize original{image.pixels.size(0), image.pixels.size(1)};
    const double shortest = image.shortest > 0 ? image.shortest : plan.min_size;
    const ImageSize size = shortest > 0 ? ops::resized_size(original, shortest, plan.max_size, plan.resize) : original;
    constexpr float kLargestByte = 255.0F;
    at::Tensor pixels = image.pixels.permute({2, 0, 1}).to(at::kFloat).div_(kLargestByte);  // [3, H, W]
    if (image.flip) pixels = pixels.flip({2});
    resized.push_back(ops::resize_image(pixels, size, plan.resize));
    ResizedObjects objects = objects_of(image, truths, plan, size);
    boxes.insert(boxes.end(), objects.boxes.begin(), objects.boxes.end());
    labels.insert(labels.end(), objects.labels.begin(), objects.labels.end());
    counts.push_back(static_cast<int64_t>(objects.labels.size()));
    positions.push_back(image.position);
    masks.push_back(objects.masks);
    batch.replaced += image.is_replacement ? 1 : 0;
  }
  const ImageBatch padded = ops::pad_images(resized, kDivisor);
  batch.images = padded.pixels;
  batch.sizes = padded.sizes;
  const auto rows = static_cast<int64_t>(labels.size());
  batch.targets.add_ragged(detection_targets::kBoxes, at::tensor(boxes).view({rows, 4}), counts)
      .add_ragged(detection_targets::kLabels, at::tensor(labels, at::kLong), counts)
      .add(detection_targets::kPositions, at::tensor(positions, at::kLong));
  if (plan.masks)
    batch.targets.add_ragged(detection_targets::kMasks, ops::pad_masks(masks, padded.padded_size()), counts);
  return batch;
}

}  // namespace reviewkd
