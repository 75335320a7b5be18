#include "core/tasks/detection/coco_evaluator.h"

#include <algorithm>
#include <limits>

#include "core/ops/backend/dispatch.h"

namespace reviewkd {
namespace {

/// Positions in kAreaRanges.
enum CocoArea : size_t { kAnyArea, kSmallArea, kMediumArea, kLargeArea };
constexpr size_t kLimit100 = 2;

/// Positions in the results of an evaluation.
class CocoLayout {
 public:
  explicit CocoLayout(size_t categories) : categories_(categories) {}

  size_t recall(size_t threshold, size_t category, size_t area, size_t limit) const {
    return ((threshold * categories_ + category) * kAreas + area) * kLimits + limit;
  }
  size_t precision(size_t threshold, size_t recall_at, size_t category, size_t area, size_t limit) const {
    return recall(threshold * kRecalls + recall_at, category, area, limit);
  }
  size_t recalls() const { return kThresholds * categories_ * kAreas * kLimits; }
  size_t categories() const { return categories_; }

 private:
  size_t categories_;
};

/// Mean of the values that are not -1; -1 without any.
class CocoMean {
 public:
  void add(double value) {
    if (value <= -1) return;
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ == 0 ? -1 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

/// Fills the results of one category, size and number of detections.
class CocoCurveReader {
 public:
  CocoCurveReader(const CocoLayout& layout, CocoSummary& summary) : layout_(layout), summary_(summary) {}

  void read(const CategoryRecord& record, size_t category, size_t area, size_t limit) {
    if (record.positives[area] == 0) return;  // everything stays -1
    kept_.clear();
    for (const MatchedDetection& detection : record.detections) {
      if (detection.rank < kDetectionLimits[limit]) kept_.push_back(&detection);
    }
    for (size_t t = 0; t < kThresholds; ++t) {
      fill_curve(t, area, static_cast<double>(record.positives[area]));
      summary_.recall[layout_.recall(t, category, area, limit)] = recalls_.empty() ? 0 : recalls_.back();
      size_t position = 0;
      for (size_t r = 0; r < kRecalls; ++r) {
        const double wanted = static_cast<double>(r) * 0.01;
        while (position < recalls_.size() && recalls_[position] < wanted) ++position;
        const bool is_reached = position < recalls_.size();
        const size_t target = layout_.precision(t, r, category, area, limit);
        summary_.precision[target] = is_reached ? precisions_[position] : 0;
        summary_.scores[target] = is_reached ? kept_[position]->score : 0;
      }
    }
  }

 private:
  /// Recall after each detection, and the highest precision from there on. Ignored detections repeat the values before.
  void fill_curve(size_t threshold, size_t area, double positives) {
    recalls_.clear();
    precisions_.clear();
    double right = 0, wrong = 0;
    for (const MatchedDetection* detection : kept_) {
      const MatchOutcome& outcome = detection->by_area[area];
      if ((outcome.ignored >> threshold & 1) == 0) ((outcome.matched >> threshold & 1) != 0 ? right : wrong) += 1;
      recalls_.push_back(right / positives);
      precisions_.push_back(right / (wrong + right + std::numeric_limits<double>::epsilon()));
    }
    for (size_t i = precisions_.size(); i-- > 1;) precisions_[i - 1] = std::max(precisions_[i - 1], precisions_[i]);
  }

  const CocoLayout& layout_;
  CocoSummary& summary_;
  std::vector<const MatchedDetection*> kept_;
  std::vector<double> recalls_, precisions_;
};

/// A slice of the thresholds and categories of which means are taken.
struct CocoSlice {
  size_t first_threshold = 0, thresholds = kThresholds;
  size_t first_category = 0, categories = 0;
  size_t area = kAnyArea, limit = kLimit100;
};

double mean_precision(const CocoSummary& summary, const CocoLayout& layout, const CocoSlice& slice) {
  CocoMean mean;
  for (size_t t = slice.first_threshold; t < slice.first_threshold + slice.thresholds; ++t) {
    for (size_t r = 0; r < kRecalls; ++r) {
      for (size_t k = slice.first_category; k < slice.first_category + slice.categories; ++k)
        mean.add(summary.precision[layout.precision(t, r, k, slice.area, slice.limit)]);
    }
  }
  return mean.value();
}

double mean_recall(const CocoSummary& summary, const CocoLayout& layout, size_t area, size_t limit) {
  CocoMean mean;
  for (size_t t = 0; t < kThresholds; ++t) {
    for (size_t k = 0; k < layout.categories(); ++k) mean.add(summary.recall[layout.recall(t, k, area, limit)]);
  }
  return mean.value();
}

CocoStats stats_of(const CocoSummary& summary, const CocoLayout& layout) {
  const auto ap = [&](CocoSlice slice) {
    slice.categories = layout.categories();
    return mean_precision(summary, layout, slice);
  };
  const auto ar = [&](size_t area, size_t limit) { return mean_recall(summary, layout, area, limit); };
  return {
      .ap = ap({}),
      .ap50 = ap({.first_threshold = 0, .thresholds = 1}),
      .ap75 = ap({.first_threshold = kThreshold75, .thresholds = 1}),
      .ap_small = ap({.area = kSmallArea}),
      .ap_medium = ap({.area = kMediumArea}),
      .ap_large = ap({.area = kLargeArea}),
      .ar1 = ar(kAnyArea, 0),
      .ar10 = ar(kAnyArea, 1),
      .ar100 = ar(kAnyArea, kLimit100),
      .ar_small = ar(kSmallArea, kLimit100),
      .ar_medium = ar(kMediumArea, kLimit100),
      .ar_large = ar(kLargeArea, kLimit100),
  };
}

CocoCategory category_of(const CocoSummary& summary, const CocoLayout& layout, size_t category) {
  CocoCategory result;
  result.ap = mean_precision(summary, layout, {.first_category = category, .categories = 1});
  result.ap50 = mean_precision(summary, layout, {.thresholds = 1, .first_category = category, .categories = 1});
  for (size_t t = 0; t < kThresholds; ++t)
    result.recall[t] = summary.recall[layout.recall(t, category, kAnyArea, kLimit100)];
  return result;
}

}  // namespace

CocoSummary CocoEvaluator::summarize() const {
  const std::vector<CategoryRecord> records = images_.records();
  const CocoLayout layout(records.size());
  CocoSummary summary;
  summary.recall.assign(layout.recalls(), -1);
  summary.precision.assign(layout.recalls() * kRecalls, -1);
  summary.scores.assign(layout.recalls() * kRecalls, -1);
  ops::parallel_for_ranges(images_.categories(), [&](int64_t begin, int64_t end, int64_t) {
    CocoCurveReader curves(layout, summary);
    for (size_t k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k) {
      for (size_t area = 0; area < kAreas; ++area) {
        for (size_t limit = 0; limit < kLimits; ++limit) curves.read(records[k], k, area, limit);
      }
    }
  });
  summary.stats = stats_of(summary, layout);
  for (size_t k = 0; k < records.size(); ++k) summary.per_category.push_back(category_of(summary, layout, k));
  return summary;
}

}  // namespace reviewkd
