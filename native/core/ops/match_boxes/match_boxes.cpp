#include "core/ops/match_boxes/match_boxes.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/boxes/checks.h"
#include "core/ops/boxes/overlaps.h"

namespace reviewkd::ops {
namespace {

struct MatchRule {
  double high, low;
  bool allow_low_quality;
};

void require_rule(const MatchRule& rule) {
  require_within(rule.high, 0, 1, "high");
  require_within(rule.low, 0, 1, "low");
  if (rule.low <= rule.high) return;
  fail(ErrorCode::kInvalidArgument, "invalid low: expected at most high, ", rule.high, ", received ", rule.low,
       ". Swap the two thresholds.");
}

/// Boxes whose overlaps with a truth are compared at a time.
constexpr int64_t kMatchedAtOnce = 256;

/// The IoU of truths with boxes, [truths, boxes], read a part of a row at a time.
template <typename T>
class OverlapMatrix {
 public:
  explicit OverlapMatrix(const at::Tensor& iou)
      : truths(iou.size(0)), boxes(iou.size(1)), values_(iou.const_data_ptr<T>()) {}

  /// The overlaps of a truth with boxes first … first + count - 1.
  const T* row(int64_t truth, int64_t first, int64_t, T*) const { return values_ + truth * boxes + first; }

  const int64_t truths, boxes;

 private:
  const T* values_;
};

/// The same, computed when it is read.
template <typename T>
class ComputedOverlaps {
 public:
  ComputedOverlaps(BoxColumns<T> truth_boxes, BoxColumns<T> anchors)
      : truths(truth_boxes.size()),
        boxes(anchors.size()),
        truth_boxes_(std::move(truth_boxes)),
        anchors_(std::move(anchors)) {}

  const T* row(int64_t truth, int64_t first, int64_t count, T* memory) const {
    anchors_.overlaps(truth_boxes_, truth, first, count, memory);
    return memory;
  }

  const int64_t truths, boxes;

 private:
  const BoxColumns<T> truth_boxes_, anchors_;
};

template <typename T, typename Overlaps>
class Matching {
 public:
  Matching(const Overlaps& overlaps, const MatchRule& rule)
      : overlaps_(overlaps), rule_(rule), greatest_of_truth_(overlaps.truths, kNone), best_(overlaps.boxes, 0) {}

  at::Tensor match() {
    at::Tensor result = at::full({overlaps_.boxes}, kBelowLow, at::kLong);
    if (overlaps_.truths == 0) return result;
    int64_t* const matches = result.data_ptr<int64_t>();
    const auto each_part = [&](int64_t first, int64_t last, const auto& work) {
      for (int64_t i = first; i < last; ++i)
        work(i * kMatchedAtOnce, std::min(kMatchedAtOnce, overlaps_.boxes - i * kMatchedAtOnce));
    };
    const int64_t parts = (overlaps_.boxes + kMatchedAtOnce - 1) / kMatchedAtOnce;
    parallel_for_ranges(parts, [&](int64_t first, int64_t last, int64_t) {
      std::vector<T> greatest_of_truth(overlaps_.truths, kNone);
      each_part(first, last, [&](int64_t box, int64_t count) { find_best(box, count, greatest_of_truth, matches); });
      const std::lock_guard lock(mutex_);
      for (int64_t t = 0; t < overlaps_.truths; ++t)
        greatest_of_truth_[t] = std::max(greatest_of_truth_[t], greatest_of_truth[t]);
    });
    if (!rule_.allow_low_quality) return result;
    parallel_for_ranges(parts, [&](int64_t first, int64_t last, int64_t) {
      each_part(first, last, [&](int64_t box, int64_t count) { revive(box, count, matches); });
    });
    return result;
  }

 private:
  static constexpr T kNone = -std::numeric_limits<T>::infinity();

  void find_best(int64_t first, int64_t count, std::vector<T>& greatest_of_truth, int64_t* matches) {
    T memory[kMatchedAtOnce], greatest[kMatchedAtOnce];
    std::fill_n(greatest, count, kNone);
    int64_t* const best = best_.data() + first;
    for (int64_t t = 0; t < overlaps_.truths; ++t) {
      const T* const row = overlaps_.row(t, first, count, memory);
      T greatest_here = kNone;
      for (int64_t i = 0; i < count; ++i) {
        greatest_here = row[i] > greatest_here ? row[i] : greatest_here;
        best[i] = row[i] > greatest[i] ? t : best[i];
        greatest[i] = row[i] > greatest[i] ? row[i] : greatest[i];
      }
      greatest_of_truth[t] = std::max(greatest_of_truth[t], greatest_here);
    }
    // In the type of the overlaps, as PyTorch compares a tensor with a number.
    const T high = static_cast<T>(rule_.high), low = static_cast<T>(rule_.low);
    for (int64_t i = 0; i < count; ++i) {
      if (greatest[i] >= high) matches[first + i] = best[i];
      else if (greatest[i] >= low) matches[first + i] = kBetween;
    }
  }

  void revive(int64_t first, int64_t count, int64_t* matches) {
    T memory[kMatchedAtOnce];
    for (int64_t t = 0; t < overlaps_.truths; ++t) {
      const T* const row = overlaps_.row(t, first, count, memory);
      const T wanted = greatest_of_truth_[t];
      int found = 0;
      for (int64_t i = 0; i < count; ++i) found |= row[i] == wanted ? 1 : 0;
      if (found == 0 || wanted == kNone) continue;
      for (int64_t i = 0; i < count; ++i) {
        if (row[i] == wanted) matches[first + i] = best_[first + i];
      }
    }
  }

  const Overlaps& overlaps_;
  const MatchRule rule_;
  std::vector<T> greatest_of_truth_;
  std::vector<int64_t> best_;
  std::mutex mutex_;
};

template <typename T, typename Overlaps>
at::Tensor matched(const Overlaps& overlaps, const MatchRule& rule) {
  return Matching<T, Overlaps>(overlaps, rule).match();
}

}  // namespace

at::Tensor match_boxes_reference(const at::Tensor& iou, double high, double low, bool allow_low_quality) {
  if (iou.size(0) == 0) return at::full({iou.size(1)}, kBelowLow, iou.options().dtype(at::kLong).requires_grad(false));
  const at::Tensor values = iou.detach().masked_fill(iou.isnan(), -INFINITY);
  const auto [greatest, best] = values.max(0);  // [B]
  const at::Tensor poor = at::where(greatest >= low, kBetween, kBelowLow);
  at::Tensor matches = at::where(greatest >= high, best, poor);
  if (!allow_low_quality || iou.size(1) == 0) return matches;
  const at::Tensor greatest_of_truth = values.amax(1, /*keepdim=*/true);  // [T, 1]
  const at::Tensor revived = (values == greatest_of_truth).logical_and(greatest_of_truth > -INFINITY).any(0);
  return at::where(revived, best, matches);
}

at::Tensor match_boxes(const at::Tensor& iou, double high, double low, bool allow_low_quality) {
  if (iou.dim() != 2) {
    fail(ErrorCode::kShapeMismatch, "invalid iou: expected shape [truths, boxes], received ", iou.sizes(),
         ". Pass the IoU of each truth with each box.");
  }
  require_floating(iou, "iou");
  require_rule({high, low, allow_low_quality});
  if (takes_reference_path() || !iou.is_cpu()) return match_boxes_reference(iou, high, low, allow_low_quality);
  const at::Tensor values = at_least_float32(iou.detach()).contiguous();
  return AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "match_boxes", [&] {
    return matched<scalar_t>(OverlapMatrix<scalar_t>(values), {high, low, allow_low_quality});
  });
}

at::Tensor match_anchors(const at::Tensor& truths, const at::Tensor& anchors, double high, double low,
                         bool allow_low_quality) {
  require_boxes(truths, "truths");
  require_boxes(anchors, "anchors");
  require_alike(truths, anchors, "truths", "anchors");
  require_rule({high, low, allow_low_quality});
  if (takes_reference_path() || !anchors.is_cpu())
    return match_boxes_reference(box_iou(truths, anchors), high, low, allow_low_quality);
  const at::Tensor left = at_least_float32(truths.detach()).contiguous();
  const at::Tensor right = at_least_float32(anchors.detach()).contiguous();
  return AT_DISPATCH_FLOATING_TYPES(left.scalar_type(), "match_anchors", [&] {
    const auto columns = [](const at::Tensor& boxes) {
      return BoxColumns<scalar_t>(boxes.const_data_ptr<scalar_t>(), boxes.size(0));
    };
    return matched<scalar_t>(ComputedOverlaps<scalar_t>(columns(left), columns(right)), {high, low, allow_low_quality});
  });
}

}  // namespace reviewkd::ops
