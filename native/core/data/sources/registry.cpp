#include "core/data/sources/registry.h"

#include "core/base/registry.h"
#include "core/data/sources/cifar.h"
#include "core/data/sources/synthetic.h"

namespace reviewkd {

const std::vector<DatasetEntry>& dataset_registry() {
  static const std::vector<DatasetEntry> datasets = {
      {"synthetic", draw_synthetic},
      {"cifar10", load_cifar10},
      {"cifar100", load_cifar100},
  };
  return datasets;
}

const DatasetEntry& find_dataset(const std::string& kind) { return find_entry(dataset_registry(), &DatasetEntry::kind, kind, "data set"); }

}  // namespace reviewkd
