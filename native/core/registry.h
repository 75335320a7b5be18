#pragma once
// The one place that knows what exists: a row per network, per method and per data set.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/distillation/distiller.h"
#include "core/models/backbone.h"

namespace reviewkd {

struct ModelEntry {
  std::string name;
  /// The paper or code that the architecture follows.
  std::string source;
  /// Image size and number of classes of the published results.
  ImageSize image_size;
  int64_t published_classes;
  std::function<Backbone(int64_t num_classes)> build;
};

struct MethodEntry {
  std::string kind;
  std::function<Method(const std::shared_ptr<const Matching>&, const MethodOptions&)> build;
};

struct DatasetEntry {
  std::string kind;
  std::function<Dataset(const DatasetOptions&)> load;
};

const std::vector<ModelEntry>& model_registry();
const std::vector<MethodEntry>& method_registry();
const std::vector<DatasetEntry>& dataset_registry();

/// Lookups by name; they throw UNKNOWN_NAME with the list of names.
const ModelEntry& find_model(const std::string& name);
const MethodEntry& find_method(const std::string& kind);
const DatasetEntry& find_dataset(const std::string& kind);

/// Puts a student under a teacher by a method of the registry, or by a "sum" of such. `seed` decides the start of the
/// methods' own parameters.
std::shared_ptr<Distiller> build_distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                                           const MethodOptions& method, TeacherMode teacher_mode, uint64_t seed);

}  // namespace reviewkd
