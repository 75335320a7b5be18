#include "core/data/detection/instance_table.h"

#include <algorithm>
#include <exception>
#include <span>
#include <utility>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"
#include "formats/coco/mask_shapes.h"

namespace reviewkd {
namespace {

constexpr size_t kRowArea = 4, kRowScore = 5;

std::string name_of(const InstanceRows& rows, size_t row) {
  return (rows.are_truths ? "annotations[" : "detections[") + std::to_string(rows.first + static_cast<int64_t>(row)) +
         "].segmentation";
}

/// Whether the ends rise and none is past `size`.
bool are_ends(const std::vector<uint32_t>& ends, size_t size) {
  return std::is_sorted(ends.begin(), ends.end()) && (ends.empty() || ends.back() <= size);
}

bool are_consistent(const InstanceRows& rows, size_t images) {
  const size_t count = rows.size();
  if (rows.category.size() != count || rows.flags.size() != count ||
      rows.values.size() != count * InstanceRows::kValues)
    return false;
  if (std::any_of(rows.image.begin(), rows.image.end(), [&](uint32_t image) { return image >= images; })) return false;
  if (rows.forms.empty()) return true;
  return rows.forms.size() == count && rows.sizes.size() == 2 * count && rows.number_ends.size() == count &&
         rows.text_ends.size() == count && are_ends(rows.number_ends, rows.numbers.size()) &&
         are_ends(rows.text_ends, rows.text.size());
}

size_t begin_of(const std::vector<uint32_t>& ends, size_t row) { return row == 0 ? 0 : ends[row - 1]; }

std::span<const double> numbers_of(const InstanceRows& rows, size_t row) {
  const size_t begin = begin_of(rows.number_ends, row);
  return std::span(rows.numbers).subspan(begin, rows.number_ends[row] - begin);
}

std::string_view text_of(const InstanceRows& rows, size_t row) {
  const size_t begin = begin_of(rows.text_ends, row);
  return std::string_view(rows.text).substr(begin, rows.text_ends[row] - begin);
}

/// Compares the size of stored runs with that of their image.
void check_size(const InstanceRows& rows, size_t row, const EvaluatedImage& image) {
  const double height = rows.sizes[2 * row], width = rows.sizes[2 * row + 1];
  if (height == static_cast<double>(image.height) && width == static_cast<double>(image.width)) return;
  fail(ErrorCode::kInvalidArgument, "invalid size of ", name_of(rows, row), ": expected that of image ", image.id, ", ",
       image.height, " × ", image.width, ", received ", height, " × ", width, ". Make masks in the image's own size.");
}

XywhBox box_of(const InstanceRows& rows, size_t row) {
  const double* values = &rows.values[row * InstanceRows::kValues];
  return {values[0], values[1], values[2], values[3]};
}

bool has_box(const InstanceRows& rows, size_t row) { return (rows.flags[row] & InstanceRows::kHasBox) != 0; }

}  // namespace

void InstanceTable::add_images(std::vector<EvaluatedImage> images) {
  images_.insert(images_.end(), images.begin(), images.end());
  by_image_.resize(images_.size());
}

void InstanceTable::add(InstanceRows rows) {
  if (!are_consistent(rows, images_.size())) {
    fail(ErrorCode::kInvalidArgument,
         "invalid rows of instances: expected columns that fit each other, received others. Add the images first.");
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    by_image_[rows.image[row]].push_back({static_cast<uint32_t>(rows_.size()), static_cast<uint32_t>(row)});
  }
  rows_.push_back(std::move(rows));
}

ImageInstances InstanceTable::image(size_t position, OverlapKind kind) const {
  const EvaluatedImage& image = images_.at(position);
  ImageInstances result;
  result.image = image.id;
  for (const auto& [rows, row] : by_image_.at(position)) {
    if (rows_[rows].are_truths) {
      result.truths.push_back(truth_of(rows_[rows], row, image, kind));
    } else {
      result.detections.push_back(detection_of(rows_[rows], row, image, kind));
    }
  }
  return result;
}

std::vector<ImageInstances> InstanceTable::images(size_t first, size_t last, OverlapKind kind) const {
  std::vector<ImageInstances> decoded(last - first);
  std::vector<std::exception_ptr> errors(decoded.size());
  ops::parallel_for_ranges(static_cast<int64_t>(decoded.size()), [&](int64_t begin, int64_t end, int64_t) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        decoded[i] = image(first + i, kind);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return decoded;
}

RunLengthMask InstanceTable::mask_of(const InstanceRows& rows, size_t row, const EvaluatedImage& image) const {
  const std::string name = name_of(rows, row);
  switch (rows.forms.empty() ? SegmentationForm::kNone : static_cast<SegmentationForm>(rows.forms[row])) {
    case SegmentationForm::kString:
      check_size(rows, row, image);
      return mask_of_string(text_of(rows, row), image.height, image.width, name);
    case SegmentationForm::kCounts:
      check_size(rows, row, image);
      return mask_of_counts(numbers_of(rows, row), image.height, image.width, name);
    case SegmentationForm::kPolygons:
      return mask_of_polygons(split_polygons(numbers_of(rows, row), name), image.height, image.width, name);
    default: return mask_of_box(box_of(rows, row), image.height, image.width, name);
  }
}

TruthInstance InstanceTable::truth_of(const InstanceRows& rows, size_t row, const EvaluatedImage& image,
                                      OverlapKind kind) const {
  TruthInstance truth;
  truth.category = rows.category[row];
  truth.box = box_of(rows, row);
  truth.area = rows.values[row * InstanceRows::kValues + kRowArea];
  truth.is_crowd = (rows.flags[row] & InstanceRows::kCrowd) != 0;
  truth.is_difficult = (rows.flags[row] & InstanceRows::kDifficult) != 0;
  truth.is_lost = (rows.flags[row] & InstanceRows::kLost) != 0;
  if (kind == OverlapKind::kMasks) truth.mask = mask_of(rows, row, image);
  return truth;
}

DetectedInstance InstanceTable::detection_of(const InstanceRows& rows, size_t row, const EvaluatedImage& image,
                                             OverlapKind kind) const {
  DetectedInstance found;
  found.category = rows.category[row];
  found.score = rows.values[row * InstanceRows::kValues + kRowScore];
  found.box = box_of(rows, row);
  // As in the reference, a detection's size is its box's where it has one, also if masks are compared.
  found.area = found.box.width * found.box.height;
  if (kind == OverlapKind::kBoxes && has_box(rows, row)) return found;
  RunLengthMask mask = mask_of(rows, row, image);
  if (!has_box(rows, row)) {
    found.box = mask_box(mask);
    found.area = static_cast<double>(mask_area(mask));
  }
  if (kind == OverlapKind::kMasks) found.mask = std::move(mask);
  return found;
}

}  // namespace reviewkd
