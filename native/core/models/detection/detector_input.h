#pragma once
// From images of any sizes to what a detector's backbone reads: resized, padded to one size, normalized.

#include <array>
#include <vector>

#include "core/base/options.h"
#include "core/models/detection/boxes/detections.h"
#include "core/ops/images/resize_images.h"

namespace reviewkd::detection {

/// From images with values 0 … 1 to what the backbone reads.
struct InputOptions {
  /// In the order of the network's channels.
  std::array<double, 3> mean, std;
  /// Applies both to the channels in reverse, as published code does that reads RGB with the statistics of BGR.
  bool reverse_stats;
  /// The network's channels: red first or blue first.
  bool is_bgr;
  /// Values are multiplied by this before the mean is subtracted.
  double scale;
  /// Short and long side of resized images; no resizing if `min_size` is 0.
  double min_size, max_size;
  ops::ResizeRule resize;

  static InputOptions from(const Options& options);
};

class DetectorInput {
 public:
  explicit DetectorInput(const InputOptions& options) : options_(options) {}

  ImageSize resized_size(ImageSize image) const;

  /// Resizes images [3, H, W], values 0 … 1, and pads them to one batch.
  ImageBatch prepare(const std::vector<at::Tensor>& images) const;
  /// An image [3, H, W] in its own size, padded.
  static ImageBatch padded(const at::Tensor& image);
  /// Objects of images of size `from` in images of size `to`.
  static ImageTargets prepare(const ImageTargets& targets, ImageSize from, ImageSize to);

  /// The batch in the network's order of channels, normalized; padding is 0.
  at::Tensor normalized(const ImageBatch& batch) const;

  /// Images [N, 3, H, W] of one size, values 0 … 1, in the network's order of channels, normalized, then padded.
  at::Tensor normalized_and_padded(const at::Tensor& images) const;

  const InputOptions& options() const { return options_; }

 private:
  InputOptions options_;
};

}  // namespace reviewkd::detection
