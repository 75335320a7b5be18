#pragma once
// A detector's entries by the names, shapes and row order of detectron2 (modeling/backbone/{resnet,fpn}.py,
// proposal_generator/rpn.py, roi_heads/*, meta_arch/retinanet.py), and back to torchvision's, which the package keeps.
// MobileNetV2 goes by the names of ReviewKD (Detection/model/backbone/mobilenetv2.py), as detectron2 has none.
//
// Rows that differ, and not only in their name:
// - class scores of an R-CNN: the background is last in detectron2, first in torchvision;
// - box deltas and mask logits of an R-CNN: detectron2 has no rows for the background. They are dropped on the way
//   there and zero on the way back; no result depends on them;
// - scores and deltas by anchor: detectron2 enumerates the ratios of each size, torchvision the sizes of each ratio.

#include <optional>
#include <string>

#include "core/models/detection/weights/detector_kind.h"
#include "core/models/state_dict.h"

namespace reviewkd {

/// `state` by detectron2's names. `num_anchors` is the number of anchors at a place, three ratios for each size. Works
/// on gradients and momentum buffers as well: entries may be missing. Unknown names are kept as they are. Entries whose
/// rows keep their order share memory with `state`. Throws STATE_DICT_MISMATCH if the rows of an entry do not fit.
NamedTensors to_detectron2(const NamedTensors& state, DetectorKind kind, int64_t num_anchors);

/// The inverse of `to_detectron2`. Leaves out the constants of old files (`pixel_mean`, `pixel_std`, cell anchors).
NamedTensors from_detectron2(const NamedTensors& state, DetectorKind kind, int64_t num_anchors);

/// Whether `from_detectron2` leaves an entry out.
bool is_detectron2_constant(const std::string& name);

/// The torchvision name of an entry of the backbone without pyramid, `backbone.bottom_up.*`; nullopt for other names.
std::optional<std::string> body_from_detectron2(const std::string& name);

/// Whether a name occurs that only detectron2 uses. Names of box heads alone do not suffice: both libraries use them.
bool has_detectron2_names(const NamedTensors& state);

}  // namespace reviewkd
