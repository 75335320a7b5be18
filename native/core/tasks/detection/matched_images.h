#pragma once
// Collects the matches of images, which are computed by several threads and do not depend on their number.

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/bytes.h"
#include "core/tasks/detection/instance_matching.h"

namespace reviewkd {

/// The results of COCO's rules take 190 kB a category.
constexpr int64_t kMostCategories = 4096;

/// The matches of one category over all images.
struct CategoryRecord {
  /// By falling score; equal ones by rising image, then in the order of their image's list.
  std::vector<MatchedDetection> detections;
  std::array<int64_t, kAreas> positives{};
};

class MatchedImages {
 public:
  /// Throws INVALID_ARGUMENT for more categories than kMostCategories.
  MatchedImages(int64_t categories, OverlapKind kind, MatchRule rule);

  /// Matches images. None of their instances is kept. Throws INVALID_ARGUMENT for a category that does not exist and a
  /// score that is not finite.
  void add(std::span<const ImageInstances> images);

  /// A record for each category. Throws INVALID_ARGUMENT if an image was added twice.
  std::vector<CategoryRecord> records() const;

  int64_t categories() const { return categories_; }

  /// All images, for `unpack` in another process, which adds them.
  void pack(ByteWriter& bytes) const;
  void unpack(ByteReader& bytes);
  void clear() { images_.clear(); }

 private:
  struct Image {
    int64_t image;
    std::vector<CategoryMatches> matches;
  };

  void check(const ImageInstances& image) const;

  int64_t categories_;
  OverlapKind kind_;
  MatchRule rule_;
  std::vector<Image> images_;
};

}  // namespace reviewkd
