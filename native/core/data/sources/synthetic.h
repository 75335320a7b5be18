#pragma once
// The built-in data set: shapes drawn on the fly, so that training can be tried without a download. A class is an
// outline (disc, ring, star …) with a fill (plain or striped); position, size, angle, background, a bar in front and
// pixel noise are random, and the colour is only a hint. Easy enough to learn in minutes, hard enough to rank
// networks.

#include "core/data/dataset.h"

namespace reviewkd {

/// The number of classes that can be drawn.
constexpr int64_t kSyntheticClasses = 20;

/// Images of 32×32 pixels; labels cycle through the classes. The same options produce the same data set. Reads
/// `num_classes` (2 … 20), `train_samples`, `test_samples` and `seed`; throws INVALID_ARGUMENT.
Dataset draw_synthetic(const DatasetOptions& options);

}  // namespace reviewkd
