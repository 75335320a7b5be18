#pragma once
// Images and labels that a program has in memory already.

#include "core/data/dataset.h"

namespace reviewkd {

/// `train` and `test`, each with images of [N, 3, height, width] (uint8 or float32) and labels of [N] (int64), whose
/// memory the data set shares. Bytes are normalized by the statistics of the training images unless `source` has
/// others; floats are used as they are. Throws SHAPE_MISMATCH, DTYPE_MISMATCH or LABEL_OUT_OF_RANGE.
Dataset load_arrays(const Options& source);

}  // namespace reviewkd
