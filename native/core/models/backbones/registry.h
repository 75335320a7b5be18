#pragma once
// The registry of networks, one row each.

#include <functional>
#include <string>
#include <vector>

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

const std::vector<ModelEntry>& model_registry();

/// Throws UNKNOWN_NAME with the list of names.
const ModelEntry& find_model(const std::string& name);

}  // namespace reviewkd
