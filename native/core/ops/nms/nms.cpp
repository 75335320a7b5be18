#include "core/ops/nms/nms.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/base/numeric.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/boxes/checks.h"
#include "core/ops/boxes/overlaps.h"
#include "core/ops/nms/device.h"

namespace reviewkd::ops {
namespace {

void require_scored_boxes(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  require_boxes(boxes, "boxes");
  require_floating(scores, "scores");
  require_sizes(scores, {boxes.size(0)}, "scores", "Pass one score for each box.");
  require_same_device(boxes, scores, "boxes", "scores");
  require_within(iou_threshold, 0, 1, "iouThreshold");
}

at::Tensor by_falling_score(const at::Tensor& scores) {
  return std::get<1>(at::sort(scores.detach(), /*stable=*/true, /*dim=*/0, /*descending=*/true));
}

/// Ranges of boxes of one class in `ranks`, which lists boxes by class, then by falling score.
struct ClassRanges {
  std::vector<int64_t> ranks;
  std::vector<int64_t> first;  // of each class, and the number of boxes
};

/// classes: by falling score.
ClassRanges class_ranges(const at::Tensor& classes) {
  const int64_t* const class_of = classes.const_data_ptr<int64_t>();
  ClassRanges ranges;
  ranges.ranks.resize(classes.size(0));
  std::iota(ranges.ranks.begin(), ranges.ranks.end(), 0);
  std::stable_sort(ranges.ranks.begin(), ranges.ranks.end(),
                   [&](int64_t a, int64_t b) { return class_of[a] < class_of[b]; });
  for (size_t i = 0; i < ranges.ranks.size(); ++i) {
    if (i == 0 || class_of[ranges.ranks[i]] != class_of[ranges.ranks[i - 1]])
      ranges.first.push_back(static_cast<int64_t>(i));
  }
  ranges.first.push_back(classes.size(0));
  return ranges;
}

/// Whether each box remains; boxes: by falling score.
template <typename T>
at::Tensor remaining(const at::Tensor& sorted, const ClassRanges& ranges, double threshold) {
  const BoxColumns<T> boxes(sorted.const_data_ptr<T>(), sorted.size(0));
  at::Tensor result = at::zeros({sorted.size(0)}, at::kBool);
  bool* const remains = result.data_ptr<bool>();
  const auto keep_best = [&](int64_t first, int64_t last, int64_t) {
    BoxColumns<T> kept;
    for (int64_t range = first; range < last; ++range) {
      kept.clear();
      for (int64_t i = ranges.first[range]; i < ranges.first[range + 1]; ++i) {
        const int64_t rank = ranges.ranks[i];
        if (kept.any_above(boxes, rank, threshold)) continue;
        kept.add(boxes, rank);
        remains[rank] = true;
      }
    }
  };
  const int64_t classes = static_cast<int64_t>(ranges.first.size()) - 1;
  // Waking threads would take longer than a million pairs at most.
  constexpr int64_t kFewPairs = 1 << 20;
  int64_t pairs = 0;
  for (int64_t i = 0; i < classes && pairs <= kFewPairs; ++i) {
    const int64_t count = ranges.first[i + 1] - ranges.first[i];
    pairs += count * count;
  }
  if (pairs <= kFewPairs) keep_best(0, classes, 0);
  else parallel_for_ranges(classes, keep_best);
  return result;
}

/// classes: undefined if all boxes are of one.
at::Tensor suppressed(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes, double threshold) {
  const at::Tensor order = by_falling_score(scores);
  const at::Tensor sorted = at_least_float32(boxes.detach()).index_select(0, order);
  const at::Tensor sorted_classes =
      classes.defined() ? classes.index_select(0, order) : at::zeros({order.size(0)}, order.options());
  if (auto remains = nms_on_device(sorted, sorted_classes, threshold)) return order.index({*remains});
  // On a device without kernels as well: the number of boxes that remain has to be read back in any case, and these
  // are a few thousand.
  const at::Tensor on_host = sorted.cpu();
  const ClassRanges ranges = class_ranges(sorted_classes.cpu());
  const at::Tensor remains = AT_DISPATCH_FLOATING_TYPES(
      on_host.scalar_type(), "nms", [&] { return remaining<scalar_t>(on_host, ranges, threshold); });
  return order.index({remains.to(order.device())});
}

}  // namespace

at::Tensor nms_reference(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  const at::Tensor order = by_falling_score(scores);
  const at::Tensor sorted = at_least_float32(boxes.detach()).index_select(0, order);
  const int64_t count = sorted.size(0);
  at::Tensor remains = at::ones({count}, sorted.options().dtype(at::kBool));
  for (int64_t i = 0; i + 1 < count; ++i) {
    if (!remains[i].item<bool>()) continue;
    const at::Tensor overlaps = box_iou(sorted.slice(0, i, i + 1), sorted.slice(0, i + 1))[0];
    remains.slice(0, i + 1).masked_fill_(overlaps.to(at::kDouble) > iou_threshold, false);
  }
  return order.index({remains});
}

at::Tensor batched_nms_reference(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                                 double iou_threshold) {
  at::Tensor remains = at::zeros({boxes.size(0)}, boxes.options().dtype(at::kBool).requires_grad(false));
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
  if (takes_reference_path()) return nms_reference(boxes, scores, iou_threshold);
  return suppressed(boxes, scores, {}, iou_threshold);
}

at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                       double iou_threshold) {
  require_scored_boxes(boxes, scores, iou_threshold);
  require_int64(classes, "classes");
  require_sizes(classes, {boxes.size(0)}, "classes", "Pass one class for each box.");
  require_same_device(boxes, classes, "boxes", "classes");
  if (takes_reference_path()) return batched_nms_reference(boxes, scores, classes, iou_threshold);
  return suppressed(boxes, scores, classes, iou_threshold);
}

}  // namespace reviewkd::ops
