#include "core/ops/nms/nms.h"

#include <ATen/ATen.h>

#include "core/base/numeric.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/boxes/checks.h"

namespace reviewkd::ops {
namespace {

void require_scored_boxes(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  require_boxes(boxes, "boxes");
  require_sizes(scores, {boxes.size(0)}, "scores", "Pass one score for each box.");
  require_floating(scores, "scores");
  require_within(iou_threshold, 0, 1, "iouThreshold");
}

at::Tensor by_falling_score(const at::Tensor& scores) {
  return std::get<1>(at::sort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true));
}

}  // namespace

at::Tensor nms_reference(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  const at::Tensor order = by_falling_score(scores);
  const at::Tensor sorted = at_least_float32(boxes.index_select(0, order)).detach().cpu();
  const int64_t count = sorted.size(0);
  at::Tensor remains = at::ones({count}, at::kBool);
  bool* const remaining = remains.data_ptr<bool>();
  for (int64_t i = 0; i < count; ++i) {
    if (!remaining[i] || i + 1 == count) continue;
    const at::Tensor suppressed = box_iou(sorted.slice(0, i, i + 1), sorted.slice(0, i + 1))[0] > iou_threshold;
    remains.slice(0, i + 1).masked_fill_(suppressed, false);
  }
  return order.index({remains.to(order.device())});
}

at::Tensor batched_nms_reference(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                                 double iou_threshold) {
  const at::Tensor remains = at::zeros({boxes.size(0)}, boxes.options().dtype(at::kBool).requires_grad(false));
  const at::Tensor present = std::get<0>(at::_unique(classes)).cpu();
  for (int64_t i = 0; i < present.size(0); ++i) {
    const at::Tensor of_class = (classes == present[i].item<int64_t>()).nonzero().squeeze(1);
    const at::Tensor kept =
        nms_reference(boxes.index_select(0, of_class), scores.index_select(0, of_class), iou_threshold);
    remains.index_fill_(0, of_class.index_select(0, kept), true);
  }
  const at::Tensor order = by_falling_score(scores);
  return order.index({remains.index_select(0, order)});
}

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  require_scored_boxes(boxes, scores, iou_threshold);
  return nms_reference(boxes, scores, iou_threshold);
}

at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                       double iou_threshold) {
  require_scored_boxes(boxes, scores, iou_threshold);
  require_int64(classes, "classes");
  require_sizes(classes, {boxes.size(0)}, "classes", "Pass one class for each box.");
  return batched_nms_reference(boxes, scores, classes, iou_threshold);
}

}  // namespace reviewkd::ops
