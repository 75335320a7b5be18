#pragma once
// Options and conditions on boxes that several heads share.

#include <string>

#include "core/base/options.h"
#include "core/ops/boxes/boxes.h"

namespace reviewkd::detection {

/// Four numbers, for x, y, width and height.
ops::BoxWeights box_weights_from(const Options& options, const std::string& field);

/// Indices of the boxes whose sides are at least `min_size`, or more than 0 if it is 0.
at::Tensor sizable_boxes(const at::Tensor& boxes, double min_size);

}  // namespace reviewkd::detection
