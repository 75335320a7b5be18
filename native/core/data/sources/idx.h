#pragma once
// The IDX files of MNIST and its successors. LeCun, Cortes, Burges: "The MNIST database of handwritten digits" (1998);
// Xiao, Rasul, Vollgraf: "Fashion-MNIST" (2017).

#include <span>

#include "core/data/dataset.h"

namespace reviewkd {

/// The bytes of an IDX file, and its name for messages.
struct IdxFile {
  std::string name;
  NumberArray content;

  static IdxFile from(const Options& file);
  std::span<const uint8_t> bytes() const;
};

/// Images [N, rows, columns] and labels [N] of a split, in unsigned bytes.
struct IdxFiles {
  IdxFile images;
  IdxFile labels;

  static IdxFiles from(const Options& split);
};

struct IdxOptions {
  int64_t num_classes = 10;
  /// Pads images with black to this height and width; 0: no padding.
  int64_t pad_to = 0;

  static IdxOptions from(const Options& source);
};

/// Grey images in three equal channels, normalized with the training images' statistics. Throws FILE_CORRUPT (wrong
/// magic number, too few or too many bytes, or a label count that differs from the image count), SHAPE_MISMATCH
/// (train and test differ in size, or exceed `pad_to`) or LABEL_OUT_OF_RANGE, naming the file.
Dataset read_idx(const IdxFiles& train, const IdxFiles& test, const IdxOptions& options);

}  // namespace reviewkd
