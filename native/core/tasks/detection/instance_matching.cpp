#include "core/tasks/detection/instance_matching.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "formats/coco/mask_overlap.h"

namespace reviewkd {
namespace {

/// 0.5, 0.55, …, 0.95, each as its decimal reads.
double voc_threshold(size_t position) { return static_cast<double>(50 + 5 * position) / 100; }

uint16_t bit_of(size_t threshold) { return static_cast<uint16_t>(1u << threshold); }
constexpr uint16_t kAllThresholds = (1u << kThresholds) - 1;

/// The instances of one category in an image.
struct CategoryInstances {
  std::vector<const TruthInstance*> truths;
  std::vector<const DetectedInstance*> detections;
};

std::map<int64_t, CategoryInstances> by_category(const ImageInstances& image) {
  std::map<int64_t, CategoryInstances> categories;
  for (const TruthInstance& truth : image.truths) categories[truth.category].truths.push_back(&truth);
  for (const DetectedInstance& found : image.detections) categories[found.category].detections.push_back(&found);
  for (auto& [category, instances] : categories) {
    std::stable_sort(instances.detections.begin(), instances.detections.end(),
                     [](const DetectedInstance* a, const DetectedInstance* b) { return a->score > b->score; });
  }
  return categories;
}

/// The overlap of each detection with each truth, detection by detection.
class Overlaps {
 public:
  Overlaps(const CategoryInstances& instances, OverlapKind kind, MatchRule rule) : truths_(instances.truths.size()) {
    values_.reserve(instances.detections.size() * truths_);
    const auto is_crowd = [&](size_t truth) { return rule == MatchRule::kCoco && instances.truths[truth]->is_crowd; };
    if (kind == OverlapKind::kBoxes) {
      for (const DetectedInstance* found : instances.detections) {
        for (size_t truth = 0; truth < truths_; ++truth)
          values_.push_back(box_overlap(found->box, instances.truths[truth]->box, is_crowd(truth)));
      }
    } else if (truths_ > 0) {
      std::vector<MeasuredMask> truths;
      truths.reserve(truths_);
      for (const TruthInstance* truth : instances.truths) truths.emplace_back(truth->mask);
      for (const DetectedInstance* found : instances.detections) {
        const MeasuredMask mask(found->mask);
        for (size_t truth = 0; truth < truths_; ++truth)
          values_.push_back(mask_overlap(mask, truths[truth], is_crowd(truth)));
      }
    }
  }

  double at(size_t detection, size_t truth) const { return values_[detection * truths_ + truth]; }
  double best(size_t detection) const {
    double best = 0;
    for (size_t truth = 0; truth < truths_; ++truth) best = std::max(best, at(detection, truth));
    return best;
  }

 private:
  size_t truths_;
  std::vector<double> values_;
};

/// COCO's matching for one range of areas.
class CocoMatcher {
 public:
  CocoMatcher(const CategoryInstances& instances, const Overlaps& overlaps, const AreaRange& range)
      : instances_(instances), overlaps_(overlaps), range_(range), is_ignored_(instances.truths.size()) {
    for (size_t i = 0; i < is_ignored_.size(); ++i) {
      const TruthInstance& truth = *instances.truths[i];
      is_ignored_[i] = truth.is_crowd || !range.contains(truth.area);
    }
    order_.resize(is_ignored_.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_partition(order_.begin(), order_.end(), [&](size_t truth) { return !is_ignored_[truth]; });
  }

  int64_t positives() const { return std::count(is_ignored_.begin(), is_ignored_.end(), false); }

  /// Fills the outcome of each detection in this range.
  void match(size_t area, std::vector<MatchedDetection>& detections) {
    for (size_t i = 0; i < detections.size(); ++i) {
      if (!range_.contains(instances_.detections[i]->area)) detections[i].by_area[area].ignored = kAllThresholds;
    }
    for (size_t t = 0; t < kThresholds; ++t) {
      is_taken_.assign(order_.size(), false);
      for (size_t i = 0; i < detections.size(); ++i) {
        if (const size_t truth = best_truth(i, kOverlapThresholds[t]); truth != kNone)
          assign(truth, t, detections[i].by_area[area]);
      }
    }
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  size_t best_truth(size_t detection, double threshold) const {
    double best = threshold;
    size_t match = kNone;
    for (const size_t truth : order_) {
      if (is_taken_[truth] && !instances_.truths[truth]->is_crowd) continue;
      // A match with a truth that counts is not given up for an ignored one, and those come last.
      if (match != kNone && !is_ignored_[match] && is_ignored_[truth]) break;
      if (overlaps_.at(detection, truth) < best) continue;
      best = overlaps_.at(detection, truth);
      match = truth;
    }
    return match;
  }

  void assign(size_t truth, size_t threshold, MatchOutcome& outcome) {
    is_taken_[truth] = true;
    const uint16_t bit = bit_of(threshold);
    if (is_ignored_[truth]) {
      outcome.ignored |= bit;
    } else if (!instances_.truths[truth]->is_lost) {
      outcome.ignored &= static_cast<uint16_t>(~bit);
    }
    if (!instances_.truths[truth]->is_lost) outcome.matched |= bit;
  }

  const CategoryInstances& instances_;
  const Overlaps& overlaps_;
  AreaRange range_;
  std::vector<bool> is_ignored_, is_taken_;
  /// Truths that count, then the ignored ones.
  std::vector<size_t> order_;
};

void match_coco(const CategoryInstances& instances, const Overlaps& overlaps, CategoryMatches& matches) {
  for (size_t area = 0; area < kAreas; ++area) {
    CocoMatcher matcher(instances, overlaps, kAreaRanges[area]);
    matches.positives[area] = matcher.positives();
    matcher.match(area, matches.detections);
  }
}

void match_voc(const CategoryInstances& instances, const Overlaps& overlaps, CategoryMatches& matches) {
  const auto counts = [&](size_t truth) {
    return !instances.truths[truth]->is_difficult && !instances.truths[truth]->is_crowd;
  };
  const size_t truths = instances.truths.size();
  for (size_t truth = 0; truth < truths; ++truth) matches.positives[0] += counts(truth) ? 1 : 0;
  std::vector<uint16_t> taken(truths);
  for (size_t i = 0; i < matches.detections.size() && truths > 0; ++i) {
    size_t best = 0;
    for (size_t truth = 1; truth < truths; ++truth) {
      if (overlaps.at(i, truth) > overlaps.at(i, best)) best = truth;
    }
    MatchOutcome& outcome = matches.detections[i].by_area[0];
    for (size_t t = 0; t < kThresholds; ++t) {
      if (!(overlaps.at(i, best) > voc_threshold(t))) break;
      if (!counts(best)) {
        outcome.ignored |= bit_of(t);
      } else if ((taken[best] & bit_of(t)) == 0) {
        taken[best] |= bit_of(t);
        outcome.matched |= bit_of(t);
      }
    }
  }
}

}  // namespace

std::vector<CategoryMatches> match_instances(const ImageInstances& image, OverlapKind kind, MatchRule rule) {
  std::vector<CategoryMatches> all;
  for (auto& [category, instances] : by_category(image)) {
    if (rule == MatchRule::kCoco && instances.detections.size() > kMostDetections)
      instances.detections.resize(kMostDetections);
    CategoryMatches& matches = all.emplace_back();
    matches.category = category;
    for (const DetectedInstance* found : instances.detections) {
      matches.detections.push_back({found->score, static_cast<uint32_t>(matches.detections.size()), {}});
    }
    const Overlaps overlaps(instances, kind, rule);
    rule == MatchRule::kCoco ? match_coco(instances, overlaps, matches) : match_voc(instances, overlaps, matches);
  }
  return all;
}

}  // namespace reviewkd
