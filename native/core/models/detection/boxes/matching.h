#pragma once
// Which object each anchor or proposal stands for.

#include "core/models/detection/boxes/detections.h"
#include "core/ops/boxes/boxes.h"

namespace reviewkd::detection {

struct MatchOptions {
  /// An IoU of `high` or more matches; one below `low` is background; one in between is ignored.
  double high, low;
  /// Whether the best boxes of each object match, however low their IoU is.
  bool allow_low_quality;
};

/// boxes: [B, 4] -> int64 [B]: the index of the object, -1 for background, -2 for ignored. All are background in an
/// image without objects.
at::Tensor match(const ImageTargets& targets, const at::Tensor& boxes, const MatchOptions& options);

/// Rows of `values` [K, …] by the matches of `match`; for background and ignored boxes those of an arbitrary object,
/// or zeros if there is none.
at::Tensor matched_rows(const at::Tensor& values, const at::Tensor& matches);

}  // namespace reviewkd::detection
