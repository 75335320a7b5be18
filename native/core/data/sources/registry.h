#pragma once
// The data sets that lie in memory, loaded or drawn: a row each.

#include <functional>
#include <string>
#include <vector>

#include "core/data/dataset.h"

namespace reviewkd {

struct DatasetEntry {
  std::string kind;
  /// Reads its own options from the source.
  std::function<Dataset(const Options& source)> load;
};

const std::vector<DatasetEntry>& dataset_registry();

/// The data set of the source's `kind`, with what the source may say of any: `limitTrain` and `limitTest` keep the
/// first images of a split, `normalization` and `classNames` replace the data set's own. Throws UNKNOWN_NAME for
/// another kind, and what the loaders throw.
Dataset load_dataset(const Options& source);

}  // namespace reviewkd
