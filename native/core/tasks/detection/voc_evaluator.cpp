#include "core/tasks/detection/voc_evaluator.h"

#include <algorithm>
#include <numeric>

#include "core/ops/backend/dispatch.h"

namespace reviewkd {
namespace {

/// Recall and precision after each detection that counts.
struct VocCurve {
  std::vector<double> recall, precision;
};

VocCurve voc_curve(const CategoryRecord& record, size_t threshold) {
  VocCurve curve;
  double right = 0, all = 0;
  for (const MatchedDetection& detection : record.detections) {
    const MatchOutcome& outcome = detection.by_area[0];
    if ((outcome.ignored >> threshold & 1) != 0) continue;
    right += outcome.matched >> threshold & 1;
    all += 1;
    curve.recall.push_back(right / static_cast<double>(record.positives[0]));
    curve.precision.push_back(right / all);
  }
  // The highest precision at this recall or a higher one.
  for (size_t i = curve.precision.size(); i-- > 1;)
    curve.precision[i - 1] = std::max(curve.precision[i - 1], curve.precision[i]);
  return curve;
}

double precision_at_11_recalls(const VocCurve& curve) {
  constexpr int kPoints = 11;
  double sum = 0;
  for (int i = 0; i < kPoints; ++i) {
    // Differs from detectron2: i / 10 instead of numpy.arange, whose 0.30000000000000004 a recall of 3 / 10 misses.
    const auto reached = std::lower_bound(curve.recall.begin(), curve.recall.end(), i / 10.0);
    if (reached != curve.recall.end()) sum += curve.precision[static_cast<size_t>(reached - curve.recall.begin())];
  }
  return sum / kPoints;
}

double area_below_curve(const VocCurve& curve) {
  double area = 0, before = 0;
  for (size_t i = 0; i < curve.recall.size(); ++i) {
    area += (curve.recall[i] - before) * curve.precision[i];
    before = curve.recall[i];
  }
  return area;
}

VocPrecision voc_precision_of(const CategoryRecord& record, VocRule rule) {
  if (record.positives[0] == 0) return {};
  std::array<double, kThresholds> values;
  for (size_t t = 0; t < kThresholds; ++t) {
    const VocCurve curve = voc_curve(record, t);
    values[t] = rule == VocRule::k2007 ? precision_at_11_recalls(curve) : area_below_curve(curve);
  }
  return {std::accumulate(values.begin(), values.end(), 0.0) / kThresholds, values[0], values[kThreshold75]};
}

double mean_voc_precision(const std::vector<VocPrecision>& categories, double VocPrecision::* member) {
  double sum = 0;
  int64_t count = 0;
  for (const VocPrecision& category : categories) {
    if (category.*member < 0) continue;
    sum += category.*member;
    ++count;
  }
  return count == 0 ? -1 : sum / static_cast<double>(count);
}

}  // namespace

VocSummary VocEvaluator::summarize() const {
  const std::vector<CategoryRecord> records = images_.records();
  VocSummary summary;
  summary.per_category.resize(records.size());
  ops::parallel_for_ranges(images_.categories(), [&](int64_t begin, int64_t end, int64_t) {
    for (size_t k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k)
      summary.per_category[k] = voc_precision_of(records[k], rule_);
  });
  summary.stats = {mean_voc_precision(summary.per_category, &VocPrecision::ap),
                   mean_voc_precision(summary.per_category, &VocPrecision::ap50),
                   mean_voc_precision(summary.per_category, &VocPrecision::ap75)};
  return summary;
}

}  // namespace reviewkd
