#include "formats/coco/mask_overlap.h"

#include <algorithm>

#include "core/base/error.h"

namespace reviewkd {
namespace {

void check_sizes(const RunLengthMask& a, const RunLengthMask& b) {
  if (a.height == b.height && a.width == b.width) return;
  fail(ErrorCode::kShapeMismatch, "invalid masks: expected equal sizes, received ", a.height, " × ", a.width, " and ",
       b.height, " × ", b.width, ". Compare masks of one image.");
}

/// The runs of a mask, consumed piece by piece.
class RunReader {
 public:
  explicit RunReader(const std::vector<uint32_t>& counts) : counts_(counts) { skip_empty(); }

  bool is_at_end() const { return next_ > counts_.size(); }
  bool value() const { return next_ % 2 == 0; }
  uint32_t left() const { return left_; }
  void consume(uint32_t length) {
    left_ -= length;
    skip_empty();
  }

 private:
  void skip_empty() {
    while (left_ == 0 && next_ <= counts_.size()) {
      if (next_ < counts_.size()) left_ = counts_[next_];
      ++next_;
    }
  }

  const std::vector<uint32_t>& counts_;
  /// One past the index of the current run.
  size_t next_ = 0;
  uint32_t left_ = 0;
};

/// Calls visit(length, value of a, value of b) for each piece in which neither value changes.
template <typename Visit>
void each_piece(const RunLengthMask& a, const RunLengthMask& b, Visit visit) {
  RunReader first(a.counts), second(b.counts);
  while (!first.is_at_end() && !second.is_at_end()) {
    const uint32_t length = std::min(first.left(), second.left());
    visit(length, first.value(), second.value());
    first.consume(length);
    second.consume(length);
  }
}

RunLengthMask merge_two(const RunLengthMask& a, const RunLengthMask& b, MaskMerge how) {
  check_sizes(a, b);
  RunBuilder runs;
  each_piece(a, b, [&](uint32_t length, bool in_a, bool in_b) {
    runs.add(how == MaskMerge::kUnion ? in_a || in_b : in_a && in_b, length);
  });
  return {a.height, a.width, runs.finish()};
}

}  // namespace

RunLengthMask merge_masks(std::vector<RunLengthMask> masks, MaskMerge how) {
  if (masks.empty()) fail(ErrorCode::kInvalidArgument, "invalid masks to merge: expected at least one, received none.");
  // In pairs: merging one by one would walk the first masks' runs again for each of the others.
  for (size_t step = 1; step < masks.size(); step *= 2) {
    for (size_t i = 0; i + step < masks.size(); i += 2 * step) masks[i] = merge_two(masks[i], masks[i + step], how);
  }
  return std::move(masks.front());
}

double box_overlap(const XywhBox& detection, const XywhBox& truth, bool is_crowd) {
  const double width = std::min(detection.x + detection.width, truth.x + truth.width) - std::max(detection.x, truth.x);
  const double height =
      std::min(detection.y + detection.height, truth.y + truth.height) - std::max(detection.y, truth.y);
  if (width <= 0 || height <= 0) return 0;
  const double intersection = width * height;
  const double area = detection.width * detection.height;
  return intersection / (is_crowd ? area : area + truth.width * truth.height - intersection);
}

double mask_overlap(const MeasuredMask& detection, const MeasuredMask& truth, bool is_crowd) {
  check_sizes(*detection.mask, *truth.mask);
  if (box_overlap(detection.box, truth.box, is_crowd) <= 0) return 0;
  int64_t intersection = 0, either = 0;
  each_piece(*detection.mask, *truth.mask, [&](uint32_t length, bool in_detection, bool in_truth) {
    if (in_detection || in_truth) either += length;
    if (in_detection && in_truth) intersection += length;
  });
  if (intersection == 0) return 0;
  return static_cast<double>(intersection) / static_cast<double>(is_crowd ? mask_area(*detection.mask) : either);
}

}  // namespace reviewkd
