#pragma once
// The embedded data set: shapes drawn on the fly, so that training can be tried without a download.
// A class is an outline (disc, ring, star …) with a fill (plain or striped); place, size, angle, background, a bar in front
// and pixel noise are chance, and the colour is no more than a hint. Easy enough to learn in minutes, hard enough to tell networks apart.

#include "core/data/dataset.h"

namespace reviewkd {

/// The most classes that there are to draw.
constexpr int64_t kSyntheticClasses = 20;

/// Images of 32×32 pixels; labels go round the classes. The same options give the same data set. Reads `num_classes`
/// (2 … 20), `train_samples`, `test_samples` and `seed`; throws INVALID_ARGUMENT.
Dataset draw_synthetic(const DatasetOptions& options);

}  // namespace reviewkd
