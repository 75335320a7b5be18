#include "core/data/sources/registry.h"

#include "core/base/registry.h"
#include "core/data/sources/arrays.h"
#include "core/data/sources/cifar.h"
#include "core/data/sources/idx.h"
#include "core/data/sources/synthetic.h"

namespace reviewkd {
namespace {

Dataset load_synthetic(const Options& source) { return draw_synthetic(SyntheticOptions::from(source)); }

Dataset load_idx(const Options& source) {
  return read_idx(IdxFiles::from(source.options("train")), IdxFiles::from(source.options("test")),
                  IdxOptions::from(source));
}

}  // namespace

const std::vector<DatasetEntry>& dataset_registry() {
  static const std::vector<DatasetEntry> datasets = {
      {"synthetic", load_synthetic}, {"cifar10", load_cifar10}, {"cifar100", load_cifar100}, {"idx", load_idx},
      {"arrays", load_arrays},
  };
  return datasets;
}

Dataset load_dataset(const Options& source) {
  Dataset dataset =
      find_entry(dataset_registry(), &DatasetEntry::kind, source.string("kind"), "the data set").load(source);
  std::optional<int64_t> limit_train, limit_test;
  source.read("limitTrain", limit_train);
  source.read("limitTest", limit_test);
  dataset.train = limited(dataset.train, limit_train);
  dataset.test = limited(dataset.test, limit_test);
  if (source.has("normalization")) dataset.normalization = Normalization::from(source.options("normalization"));
  if (source.has("classNames")) dataset.class_names = source.strings("classNames");
  if (dataset.class_names.empty()) {
    for (int64_t label = 0; label < dataset.num_classes; ++label) dataset.class_names.push_back(std::to_string(label));
  }
  return dataset;
}

}  // namespace reviewkd
