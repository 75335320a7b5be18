#include "core/ops/nms/suppressed_scores.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include "core/base/error.h"
#include "core/ops/backend/graph/traced_operation.h"
#include "core/ops/boxes/checks.h"
#include "core/ops/nms/nms.h"

namespace reviewkd::ops {
namespace {

at::Tensor suppress_groups(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  at::Tensor result = at::zeros_like(scores);
  for (int64_t group = 0; group < scores.size(0); ++group) {
    for (int64_t of_class = 0; of_class < scores.size(1); ++of_class) {
      const at::Tensor own = scores[group][of_class];
      const at::Tensor present = own.gt(0).nonzero().squeeze(1);
      const at::Tensor kept = present.index_select(
          0, nms(boxes[group].index_select(0, present), own.index_select(0, present), iou_threshold));
      result[group][of_class].index_copy_(0, kept, own.index_select(0, kept));
    }
  }
  return result;
}

}  // namespace

at::Tensor suppressed_scores(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  if (boxes.dim() != 3 || boxes.size(2) != 4 || scores.dim() != 3 || scores.size(0) != boxes.size(0) ||
      scores.size(2) != boxes.size(1)) {
    fail(ErrorCode::kShapeMismatch, "invalid boxes and scores: expected [G, B, 4] and [G, C, B], received ",
         boxes.sizes(), " and ", scores.sizes(), ". Pass scores of each class for the boxes of each group.");
  }
  require_within(iou_threshold, 0, 1, "iouThreshold");
  if (!is_tracing()) return suppress_groups(boxes, scores, iou_threshold);
  return traced_operation(
      "reviewkd::suppressed_scores",
      [&](torch::jit::Node* node) {
        torch::jit::tracer::addInputs(node, "boxes", boxes);
        torch::jit::tracer::addInputs(node, "scores", scores);
        torch::jit::tracer::addInputs(node, "iou_threshold", iou_threshold);
      },
      scores.sizes(), scores.options());
}

}  // namespace reviewkd::ops
