#pragma once
// Detection with tensors whose shapes depend on no value: what a graph of fixed operations can compute for a batch. Rows
// that stand for nothing have a score of 0. The same arithmetic and numbers as the detection of image after image.

#include <ATen/core/Tensor.h>

#include "core/models/detection/boxes/anchors.h"
#include "core/models/detection/heads/retinanet_head.h"
#include "core/models/detection/heads/roi_heads.h"
#include "core/models/detection/heads/rpn.h"

namespace reviewkd::detection {

/// As `propose`; image: the size of all images, without padding. K is the number of proposals of an image.
ScoredBoxes propose_padded(const RpnOutput& output, const AnchorGrid& anchors, ImageSize image,
                           const RpnOptions& options);

/// As `roi_detections`. predictions: of all rows of the proposals.
PaddedDetections roi_detections_padded(const BoxPredictions& predictions, const ScoredBoxes& proposals, ImageSize image,
                                       const RoiOptions& options);

/// As `retinanet_detections`.
PaddedDetections retinanet_detections_padded(const RetinaNetOutput& output, const AnchorGrid& anchors, ImageSize image,
                                             const RetinaNetOptions& options);

/// Boxes within the image; those that have no area there are no objects.
PaddedDetections clipped(const PaddedDetections& found, ImageSize image);

}  // namespace reviewkd::detection
