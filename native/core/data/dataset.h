#pragma once
// A data set in memory: two splits of images and labels. Where it comes from is the business of one source each.

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/options.h"

namespace reviewkd {

/// Per-channel statistics; images become (pixel / 255 - mean) / std.
struct Normalization {
  std::array<double, 3> mean{};
  std::array<double, 3> std{};

  /// { mean, std }, three numbers each.
  static Normalization from(const Options& options);
};

/// Images and labels on the CPU.
struct Split {
  at::Tensor images;  // [N, 3, H, W], uint8 pixels or float32 values that are used as they are
  at::Tensor labels;  // [N], int64

  int64_t size() const { return images.defined() ? images.size(0) : 0; }
  int64_t height() const { return images.size(2); }
  int64_t width() const { return images.size(3); }
};

struct Dataset {
  std::string kind;
  int64_t num_classes = 0;
  std::vector<std::string> class_names;
  Normalization normalization;
  Split train;
  Split test;
};

/// Throws SHAPE_MISMATCH, DTYPE_MISMATCH or LABEL_OUT_OF_RANGE (naming the first bad label) unless the split is sound.
/// name: for messages, such as "train"; labels: the name of the list of labels, such as "train.labels".
void check_split(const Split& split, int64_t num_classes, const std::string& name,
                 const std::string& labels = "labels");

/// The split's first `limit` images.
Split limited(const Split& split, std::optional<int64_t> limit);

/// Mean and standard deviation of every channel, over pixel / 255.
Normalization measure(const at::Tensor& images);

}  // namespace reviewkd
