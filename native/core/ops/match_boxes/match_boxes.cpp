#include "core/ops/match_boxes/match_boxes.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include <limits>
#include <vector>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/boxes/checks.h"

namespace reviewkd::ops {
namespace {

void require_thresholds(double high, double low) {
  require_within(high, 0, 1, "high");
  require_within(low, 0, 1, "low");
  if (low > high) {
    fail(ErrorCode::kInvalidArgument, "invalid low: expected at most high, ", high, ", received ", low,
         ". Swap the two thresholds.");
  }
}

template <typename T>
at::Tensor match_rows(const at::Tensor& iou, double high, double low, bool allow_low_quality) {
  const auto values = iou.accessor<T, 2>();
  const int64_t truths = iou.size(0), boxes = iou.size(1);
  at::Tensor result = at::full({boxes}, kBelowLow, at::kLong);
  int64_t* const matches = result.data_ptr<int64_t>();
  constexpr T kNone = -std::numeric_limits<T>::infinity();
  std::vector<T> best_of_truth(truths, kNone);
  std::vector<int64_t> best(boxes, 0);
  for (int64_t b = 0; b < boxes && truths > 0; ++b) {
    T greatest = kNone;
    for (int64_t t = 0; t < truths; ++t) {
      const T value = values[t][b];
      if (value > greatest) {
        greatest = value;
        best[b] = t;
      }
      if (value > best_of_truth[t]) best_of_truth[t] = value;
    }
    if (greatest >= high) matches[b] = best[b];
    else if (greatest >= low) matches[b] = kBetween;
  }
  for (int64_t t = 0; t < truths && allow_low_quality; ++t) {
    for (int64_t b = 0; b < boxes; ++b) {
      if (values[t][b] == best_of_truth[t] && best_of_truth[t] > kNone) matches[b] = best[b];
    }
  }
  return result;
}

}  // namespace

at::Tensor match_boxes(const at::Tensor& iou, double high, double low, bool allow_low_quality) {
  if (iou.dim() != 2) {
    fail(ErrorCode::kShapeMismatch, "invalid iou: expected shape [truths, boxes], received ", iou.sizes(),
         ". Pass the IoU of each truth with each box.");
  }
  require_floating(iou, "iou");
  require_thresholds(high, low);
  const at::Tensor values = at_least_float32(iou.detach()).cpu();
  return AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "match_boxes",
                                    [&] { return match_rows<scalar_t>(values, high, low, allow_low_quality); })
      .to(iou.device());
}

at::Tensor match_anchors(const at::Tensor& truths, const at::Tensor& anchors, double high, double low,
                         bool allow_low_quality) {
  require_boxes(truths, "truths");
  require_boxes(anchors, "anchors");
  require_alike(truths, anchors, "truths", "anchors");
  return match_boxes(box_iou(truths, anchors), high, low, allow_low_quality);
}

}  // namespace reviewkd::ops
