#pragma once
// The truths and detections of a data set in compact columns, with their masks as files have them. Masks are decoded
// image by image.

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/detection/instances.h"

namespace reviewkd {

/// How a segmentation is stored.
enum class SegmentationForm : uint8_t { kNone, kString, kCounts, kPolygons };

/// Rows of a list of instances, column by column. Lengths and offsets are checked when the rows are added to a table.
struct InstanceRows {
  /// Bits of `flags`.
  static constexpr uint8_t kCrowd = 1, kDifficult = 2, kLost = 4, kHasBox = 8;
  /// Numbers of a row in `values`: x, y, width, height, area, score.
  static constexpr size_t kValues = 6;

  bool are_truths = false;
  /// Position of the first row in its list, for messages.
  int64_t first = 0;
  /// Positions of the image and the category.
  std::vector<uint32_t> image, category;
  std::vector<uint8_t> flags;
  std::vector<double> values;

  /// Empty if no row has a segmentation. Otherwise for each row: its form, height and width (for runs), and the ends of
  /// its numbers (runs, or for each polygon its length and its coordinates) and of its characters.
  std::vector<uint8_t> forms;
  std::vector<double> sizes;
  std::vector<uint32_t> number_ends, text_ends;
  std::vector<double> numbers;
  std::string text;

  size_t size() const { return image.size(); }
};

/// An image of the data set. Sizes are read for masks alone.
struct EvaluatedImage {
  int64_t id = 0;
  int64_t height = 0;
  int64_t width = 0;
};

class InstanceTable {
 public:
  explicit InstanceTable(OverlapKind kind) : kind_(kind) {}

  void add_images(std::vector<EvaluatedImage> images);

  /// Throws INVALID_ARGUMENT unless the columns fit each other and the images added so far.
  void add(InstanceRows rows);

  size_t size() const { return images_.size(); }

  /// The instances of the images from `first` to before `last`, with decoded masks if masks are compared; truths and
  /// detections keep their order. Throws INVALID_ARGUMENT for the first image with a segmentation that is damaged or of
  /// another size than its image. Computed by several threads.
  std::vector<ImageInstances> images(size_t first, size_t last) const { return images(first, last, kind_); }
  std::vector<ImageInstances> images(size_t first, size_t last, OverlapKind kind) const;

  /// The instances of one image; with masks if `kind` is that. Throws as `images` does.
  ImageInstances image(size_t position, OverlapKind kind) const;
  const EvaluatedImage& described(size_t position) const { return images_.at(position); }

 private:
  struct Row {
    uint32_t rows, row;
  };

  RunLengthMask mask_of(const InstanceRows& rows, size_t row, const EvaluatedImage& image) const;
  TruthInstance truth_of(const InstanceRows& rows, size_t row, const EvaluatedImage& image, OverlapKind kind) const;
  DetectedInstance detection_of(const InstanceRows& rows, size_t row, const EvaluatedImage& image,
                                OverlapKind kind) const;

  OverlapKind kind_;
  std::vector<EvaluatedImage> images_;
  std::vector<InstanceRows> rows_;
  /// The rows of each image, in the order in which they were added.
  std::vector<std::vector<Row>> by_image_;
};

}  // namespace reviewkd
