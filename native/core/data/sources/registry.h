#pragma once
// The data sets that are loaded into memory or drawn, one row each.

#include <functional>
#include <string>
#include <vector>

#include "core/data/dataset.h"

namespace reviewkd {

struct DatasetEntry {
  std::string kind;
  std::function<Dataset(const DatasetOptions&)> load;
};

const std::vector<DatasetEntry>& dataset_registry();

/// Throws UNKNOWN_NAME with the list of names.
const DatasetEntry& find_dataset(const std::string& kind);

}  // namespace reviewkd
