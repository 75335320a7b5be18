#include "core/ops/box_losses/box_losses.h"

#include <ATen/ATen.h>

#include <limits>

#include "core/ops/boxes/checks.h"

namespace reviewkd::ops {

at::Tensor smooth_l1_loss(const at::Tensor& input, const at::Tensor& target, double beta) {
  require_floating(input, "input");
  require_alike(input, target, "input", "target");
  require_sizes(target, input.sizes(), "target", "Pass one target for each value.");
  require_within(beta, 0, std::numeric_limits<double>::max(), "beta");
  if (beta == 0) return at::l1_loss(input, target, at::Reduction::None);
  return at::smooth_l1_loss(input, target, at::Reduction::None, beta);
}

at::Tensor generalized_box_iou_loss(const at::Tensor& boxes, const at::Tensor& targets, double eps) {
  require_boxes(boxes, "boxes");
  require_boxes(targets, "targets");
  require_alike(boxes, targets, "boxes", "targets");
  require_sizes(targets, boxes.sizes(), "targets", "Pass one target for each box.");
  require_within(eps, 0, 1, "eps");
  const auto edge = [](const at::Tensor& of, int64_t first) { return of.slice(1, first, first + 2); };
  const auto product = [](const at::Tensor& sides) { return sides.select(1, 0) * sides.select(1, 1); };
  const at::Tensor sides = at::minimum(edge(boxes, 2), edge(targets, 2)) -  // [N, 2]
                           at::maximum(edge(boxes, 0), edge(targets, 0));
  const at::Tensor overlap = at::where((sides > 0).all(1), product(sides), 0.0);  // [N]
  const at::Tensor both =
      product(edge(boxes, 2) - edge(boxes, 0)) + product(edge(targets, 2) - edge(targets, 0)) - overlap;
  const at::Tensor hull =
      product(at::maximum(edge(boxes, 2), edge(targets, 2)) - at::minimum(edge(boxes, 0), edge(targets, 0)));
  return 1 - (overlap / (both + eps) - (hull - both) / (hull + eps));
}

}  // namespace reviewkd::ops
