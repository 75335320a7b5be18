#include "core/tasks/detection/matched_images.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"

namespace reviewkd {

MatchedImages::MatchedImages(int64_t categories, OverlapKind kind, MatchRule rule)
    : categories_(categories), kind_(kind), rule_(rule) {
  if (categories < 0 || categories > kMostCategories) {
    fail(ErrorCode::kInvalidArgument, "invalid number of categories: expected at most ", kMostCategories, ", received ",
         categories, ". Evaluate groups of categories one after the other.");
  }
}

void MatchedImages::check(const ImageInstances& image) const {
  const auto check_category = [&](int64_t category) {
    if (category >= 0 && category < categories_) return;
    fail(ErrorCode::kInvalidArgument, "invalid category of an instance of image ", image.image, ": expected 0 to ",
         categories_ - 1, ", received ", category, ".");
  };
  for (const TruthInstance& truth : image.truths) check_category(truth.category);
  for (const DetectedInstance& found : image.detections) {
    check_category(found.category);
    if (std::isfinite(found.score)) continue;
    fail(ErrorCode::kInvalidArgument, "invalid score of a detection of image ", image.image,
         ": expected a finite number, received ", found.score, ".");
  }
}

void MatchedImages::add(std::span<const ImageInstances> images) {
  for (const ImageInstances& image : images) check(image);
  const size_t first = images_.size();
  images_.resize(first + images.size());
  try {
    ops::parallel_for_ranges(static_cast<int64_t>(images.size()), [&](int64_t begin, int64_t end, int64_t) {
      for (int64_t i = begin; i < end; ++i) {
        const ImageInstances& image = images[static_cast<size_t>(i)];
        images_[first + static_cast<size_t>(i)] = {image.image, match_instances(image, kind_, rule_)};
      }
    });
  } catch (...) {
    images_.resize(first);
    throw;
  }
}

void MatchedImages::pack(ByteWriter& bytes) const {
  bytes.put(images_.size());
  for (const Image& image : images_) {
    bytes.put(image.image);
    bytes.put(image.matches.size());
    for (const CategoryMatches& matches : image.matches) {
      bytes.put(matches.category);
      bytes.put_list(matches.detections);
      bytes.put(matches.positives);
    }
  }
}

void MatchedImages::unpack(ByteReader& bytes) {
  const auto count = bytes.get<size_t>();
  for (size_t i = 0; i < count; ++i) {
    Image image{bytes.get<int64_t>(), {}};
    const auto categories = bytes.get<size_t>();
    for (size_t k = 0; k < categories; ++k) {
      CategoryMatches matches;
      matches.category = bytes.get<int64_t>();
      matches.detections = bytes.get_list<MatchedDetection>();
      matches.positives = bytes.get<std::array<int64_t, kAreas>>();
      image.matches.push_back(std::move(matches));
    }
    images_.push_back(std::move(image));
  }
}

std::vector<CategoryRecord> MatchedImages::records() const {
  std::vector<const Image*> ordered;
  ordered.reserve(images_.size());
  for (const Image& image : images_) ordered.push_back(&image);
  std::sort(ordered.begin(), ordered.end(), [](const Image* a, const Image* b) { return a->image < b->image; });
  const auto twice = std::adjacent_find(ordered.begin(), ordered.end(),
                                        [](const Image* a, const Image* b) { return a->image == b->image; });
  if (twice != ordered.end()) {
    fail(ErrorCode::kInvalidArgument, "invalid images of the evaluation: expected each once, received image ",
         (*twice)->image, " twice.");
  }
  std::vector<CategoryRecord> records(static_cast<size_t>(categories_));
  for (const Image* image : ordered) {
    for (const CategoryMatches& matches : image->matches) {
      CategoryRecord& record = records[static_cast<size_t>(matches.category)];
      record.detections.insert(record.detections.end(), matches.detections.begin(), matches.detections.end());
      for (size_t area = 0; area < kAreas; ++area) record.positives[area] += matches.positives[area];
    }
  }
  ops::parallel_for_ranges(categories_, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t k = begin; k < end; ++k) {
      auto& detections = records[static_cast<size_t>(k)].detections;
      std::stable_sort(detections.begin(), detections.end(),
                       [](const MatchedDetection& a, const MatchedDetection& b) { return a.score > b.score; });
    }
  });
  return records;
}

}  // namespace reviewkd
