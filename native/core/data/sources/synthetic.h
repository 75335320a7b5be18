#pragma once
// The built-in data set: shapes drawn on the fly, so that training can be tried without a download. A class is an
// outline (disc, ring, star …) with a fill (plain or striped); position, size, angle, background, a bar in front and
// pixel noise are random, and the colour is only a hint. Easy enough to learn in minutes, hard enough to rank
// networks.

#include "core/data/dataset.h"

namespace reviewkd {

/// The number of classes that can be drawn.
constexpr int64_t kSyntheticClasses = 20;

struct SyntheticOptions {
  int64_t num_classes = 0;  // 2 … 20
  int64_t train_samples = 0;
  int64_t test_samples = 0;
  uint64_t seed = 0;

  static SyntheticOptions from(const Options& source);
};

/// Images of 32×32 pixels; labels go round the classes. The same options give the same data set. Throws
/// INVALID_ARGUMENT.
Dataset draw_synthetic(const SyntheticOptions& options);

}  // namespace reviewkd
