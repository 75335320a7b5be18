#include "core/checkpoint/architecture_match.h"

#include <unordered_map>
#include <unordered_set>

#include "core/models/backbones/registry.h"

namespace reviewkd {
namespace {

/// Tensor names and shapes of a network, in order.
std::vector<std::pair<std::string, std::vector<int64_t>>> shapes_of(const ModelEntry& entry, int64_t classes) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  for (const auto& [name, tensor] : state_dict(*entry.build(classes))) shapes.emplace_back(name, tensor.sizes().vec());
  return shapes;
}

using Given = std::unordered_map<std::string, const std::vector<int64_t>*>;

/// The network's shapes at the file's number of classes: where shapes at two class counts differ, the file's first
/// such entry determines the number. A network with that many classes is never built, because a file can name any
/// number.
struct Expectation {
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  int64_t num_classes;
};

Expectation expectation_of(const ModelEntry& entry, const Given& given) {
  Expectation result{shapes_of(entry, entry.published_classes), entry.published_classes};
  const auto others = shapes_of(entry, entry.published_classes + 1);
  std::optional<int64_t> classes;
  for (size_t i = 0; i < result.shapes.size(); ++i) {
    auto& [name, shape] = result.shapes[i];
    const auto found = given.find(name);
    for (size_t k = 0; k < shape.size(); ++k) {
      if (shape[k] == others.at(i).second.at(k)) continue;
      if (!classes && found != given.end() && found->second->size() == shape.size()) classes = (*found->second)[k];
      if (classes) shape[k] = *classes;
    }
  }
  result.num_classes = classes.value_or(result.num_classes);
  return result;
}

ArchitectureMatch fit_of(const ModelEntry& entry, const TensorTable& table, const Given& given) {
  const auto [shapes, num_classes] = expectation_of(entry, given);
  ArchitectureMatch fit{entry.name, num_classes, 0, shapes.size(), {}};
  std::unordered_set<std::string> wanted;
  for (const auto& [name, shape] : shapes) {
    wanted.insert(name);
    const auto found = given.find(name);
    if (found == given.end()) {
      fit.differences.missing.push_back(name);
    } else if (*found->second != shape) {
      fit.differences.mismatched.push_back({name, shape, *found->second});
    } else {
      ++fit.matching;
    }
  }
  for (const auto& tensor : table.tensors) {
    if (!wanted.count(tensor.name)) fit.differences.unexpected.push_back(tensor.name);
  }
  return fit;
}

}  // namespace

std::optional<ArchitectureMatch> identify_model(const TensorTable& table) {
  Given given;
  for (const auto& tensor : table.tensors) given.emplace(tensor.name, &tensor.shape);
  std::optional<ArchitectureMatch> best;
  double best_share = 0;
  for (const auto& entry : model_registry()) {
    ArchitectureMatch fit = fit_of(entry, table, given);
    const double share =
        2.0 * static_cast<double>(fit.matching) / static_cast<double>(fit.entries + table.tensors.size());
    if (share > best_share) {
      best_share = share;
      best = std::move(fit);
    }
  }
  return best;
}

}  // namespace reviewkd
