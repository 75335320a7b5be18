#include "core/models/detection/boxes/matching.h"

#include <ATen/ATen.h>

#include "core/ops/match_boxes/match_boxes.h"

namespace reviewkd::detection {

at::Tensor match(const ImageTargets& targets, const at::Tensor& boxes, const MatchOptions& options) {
  return ops::match_anchors(targets.boxes, boxes, options.high, options.low, options.allow_low_quality);
}

at::Tensor matched_rows(const at::Tensor& values, const at::Tensor& matches) {
  if (values.size(0) > 0) return values.index_select(0, matches.clamp_min(0));
  std::vector<int64_t> sizes = values.sizes().vec();
  sizes.front() = matches.size(0);
  return at::zeros(sizes, values.options());
}

}  // namespace reviewkd::detection
