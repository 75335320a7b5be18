#include "core/checkpoint/architecture_match.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "core/base/error.h"
#include "core/models/backbones/registry.h"
#include "core/models/detection/detector_file.h"
#include "core/models/detection/registry.h"
#include "core/models/detection/weights/detector_weights.h"

namespace reviewkd {
namespace {

using Given = std::unordered_map<std::string, const std::vector<int64_t>*>;

/// The network's shapes at the file's number of classes: where shapes at two class counts differ, the file's first
/// such entry determines the number. A network with that many classes is never built, because a file can name any
/// number.
struct Expectation {
  EntryShapes shapes;
  int64_t num_classes;
};

Given given_by(const EntryShapes& file) {
  Given given;
  for (const auto& [name, shape] : file) given.emplace(name, &shape);
  return given;
}

/// A network of the registry at its published number of classes and at one more.
struct RegistryShapes {
  EntryShapes shapes;
  EntryShapes with_another_class;
};

/// Building all networks takes longer than reading a file, so that each is built once in a process.
const RegistryShapes& registry_shapes(const ModelEntry& entry) {
  static std::mutex mutex;
  static std::map<std::string, RegistryShapes> known;
  const std::scoped_lock lock(mutex);
  const auto found = known.find(entry.name);
  if (found != known.end()) return found->second;
  return known
      .emplace(entry.name, RegistryShapes{shapes_of(*entry.build(entry.published_classes)),
                                          shapes_of(*entry.build(entry.published_classes + 1))})
      .first->second;
}

Expectation expectation_of(const RegistryShapes& registered, int64_t published_classes, const Given& given) {
  Expectation result{registered.shapes, published_classes};
  std::optional<int64_t> classes;
  for (size_t i = 0; i < result.shapes.size(); ++i) {
    auto& [name, shape] = result.shapes[i];
    const auto found = given.find(name);
    for (size_t k = 0; k < shape.size(); ++k) {
      if (shape[k] == registered.with_another_class.at(i).second.at(k)) continue;
      if (!classes && found != given.end() && found->second->size() == shape.size()) classes = (*found->second)[k];
      if (classes) shape[k] = *classes;
    }
  }
  result.num_classes = classes.value_or(result.num_classes);
  return result;
}

/// The file's entries that the fit names, under the network's names.
EntryShapes named(const EntryFit& fit, const EntryShapes& file) {
  EntryShapes own;
  for (size_t i = 0; i < file.size(); ++i) {
    if (fit.names.at(i)) own.emplace_back(*fit.names[i], file[i].second);
  }
  return own;
}

/// Entries by a detector's names; nullopt if their rows do not fit its kind.
std::optional<EntryShapes> by_own_names(const EntryShapes& file, DetectorKind kind, int64_t num_anchors) try {
  NamedTensors state;
  for (const auto& [name, shape] : file) {
    // One element of memory stands for all of an entry.
    const std::vector<int64_t> ones(shape.size(), 1);
    state.emplace_back(name, at::zeros(ones, at::kByte).expand(shape));
  }
  EntryShapes own;
  for (const auto& [name, tensor] : to_detector_names(state, kind, num_anchors)) {
    // Detectors are built with frozen norms, which have no counters.
    if (!is_norm_counter(name)) own.emplace_back(name, tensor.sizes().vec());
  }
  return own;
} catch (const Error&) {
  return std::nullopt;
}

/// A detector's entries, whatever stands in front of them.
EntryFit fit_of_wrapper(const EntryShapes& file) {
  EntryFit fit;
  auto wrappers = wrappers_of(file);
  if (wrappers.empty()) wrappers.emplace_back();
  fit.prefix = wrappers[0];
  if (!fit.prefix.empty()) fit.other_prefixes.assign(wrappers.begin() + 1, wrappers.end());
  for (const auto& [name, shape] : file) {
    fit.names.push_back(is_behind(name, wrappers) ? std::optional(name.substr(fit.prefix.size())) : std::nullopt);
  }
  return fit;
}

/// Whether the match is the best one now.
bool keep_better(std::optional<ArchitectureMatch>& best, ArchitectureMatch match) {
  if (match.matching == 0 || (best && best->similarity() >= match.similarity())) return false;
  best = std::move(match);
  return true;
}

/// A network whose entries a file has, nearly all of them, and their positions there.
struct Occurrence {
  EntryFit fit;
  std::unordered_set<size_t> entries;
};

std::optional<Occurrence> occurrence_of(const ArchitectureMatch& match, const EntryShapes& network,
                                        const EntryShapes& file) {
  constexpr double kNearlyAll = 0.9;
  if (static_cast<double>(match.matching) < kNearlyAll * static_cast<double>(match.entries)) return std::nullopt;
  const Given wanted = given_by(network);
  Occurrence occurrence{match.fit, {}};
  for (size_t i = 0; i < file.size(); ++i) {
    const auto& name = match.fit.names.at(i);
    const auto found = name ? wanted.find(*name) : wanted.end();
    if (found != wanted.end() && *found->second == file[i].second) occurrence.entries.insert(i);
  }
  return occurrence;
}

/// Adds the prefixes of networks that the file has next to `best`, but for copies of one without prefix. Networks that
/// share entries are readings of one, of which the largest counts.
void add_other_networks(ArchitectureMatch& best, const Occurrence& chosen, std::vector<Occurrence> occurrences,
                        const EntryShapes& file) {
  auto& others = best.fit.other_prefixes;
  std::unordered_set<size_t> taken = chosen.entries;
  for (size_t i = 0; i < file.size(); ++i) {
    const auto is_other = [&](const std::string& prefix) { return file[i].first.starts_with(prefix); };
    const bool is_copy = best.fit.prefix.empty() && !best.fit.names.at(i);
    if (is_copy || std::any_of(others.begin(), others.end(), is_other)) taken.insert(i);
  }
  std::stable_sort(occurrences.begin(), occurrences.end(),
                   [](const auto& a, const auto& b) { return a.entries.size() > b.entries.size(); });
  for (const auto& [fit, entries] : occurrences) {
    if (std::any_of(entries.begin(), entries.end(), [&](size_t i) { return taken.contains(i); })) continue;
    taken.insert(entries.begin(), entries.end());
    others.push_back(fit.prefix);
    for (const auto& prefix : fit.other_prefixes) {
      std::vector<size_t> behind;
      for (size_t i = 0; i < file.size(); ++i) {
        if (file[i].first.starts_with(prefix)) behind.push_back(i);
      }
      if (std::any_of(behind.begin(), behind.end(), [&](size_t i) { return taken.contains(i); })) continue;
      taken.insert(behind.begin(), behind.end());
      others.push_back(prefix);
    }
  }
}

}  // namespace

double ArchitectureMatch::similarity() const {
  return 2.0 * static_cast<double>(matching) / static_cast<double>(entries + given);
}

EntryShapes shapes_of(const TensorTable& table) {
  EntryShapes shapes;
  for (const auto& tensor : table.tensors) shapes.emplace_back(tensor.name, tensor.shape);
  return shapes;
}

EntryShapes shapes_of(const torch::nn::Module& module) {
  EntryShapes shapes;
  for (const auto& [name, tensor] : state_dict(module)) shapes.emplace_back(name, tensor.sizes().vec());
  return shapes;
}

ArchitectureMatch match_shapes(const std::string& name, int64_t num_classes, const EntryShapes& network,
                               const EntryShapes& file) {
  const Given given = given_by(file);
  ArchitectureMatch fit{name, num_classes, 0, network.size(), {}, file.size(), {}};
  std::unordered_set<std::string> wanted;
  for (const auto& [entry, shape] : network) {
    wanted.insert(entry);
    const auto found = given.find(entry);
    if (found == given.end() && given.contains(mean_of_counter(entry))) {
      --fit.entries;  // loading sets it to 0
    } else if (found == given.end()) {
      fit.differences.missing.push_back(entry);
    } else if (*found->second != shape) {
      fit.differences.mismatched.push_back({entry, shape, *found->second});
    } else {
      ++fit.matching;
    }
  }
  for (const auto& [entry, shape] : file) {
    if (!wanted.count(entry)) fit.differences.unexpected.push_back(entry);
  }
  return fit;
}

std::optional<ArchitectureMatch> identify_model(FileEntries& file) {
  std::optional<ArchitectureMatch> best;
  std::vector<Occurrence> occurrences;
  std::optional<Occurrence> chosen;
  for (const auto& entry : model_registry()) {
    const RegistryShapes& registered = registry_shapes(entry);
    EntryFit fit = file.fit(registered.shapes);
    const EntryShapes own = named(fit, file.shapes());
    const auto [shapes, num_classes] = expectation_of(registered, entry.published_classes, given_by(own));
    ArchitectureMatch match = match_shapes(entry.name, num_classes, shapes, own);
    match.fit = std::move(fit);
    auto occurrence = occurrence_of(match, shapes, file.shapes());
    if (occurrence) occurrences.push_back(*occurrence);
    if (keep_better(best, std::move(match))) chosen = std::move(occurrence);
  }
  if (chosen) add_other_networks(*best, *chosen, std::move(occurrences), file.shapes());
  return best;
}

std::optional<ArchitectureMatch> identify_detector(const EntryShapes& file, const Options& options) {
  const auto kind = detection::describe_file(file).kind;
  if (!kind) return std::nullopt;
  const auto own = by_own_names(file, *kind, detection::AnchorOptions::from(options).per_position());
  std::optional<ArchitectureMatch> best;
  for (const std::string& name : own ? detection::detector_names() : std::vector<std::string>{}) {
    if (detection::parse_detector_name(name).kind != *kind) continue;
    const detection::Detector detector = detection::build_detector(name, options);
    keep_better(best, match_shapes(name, detector->num_classes(), shapes_of(*detector), *own));
  }
  if (best) best->fit = fit_of_wrapper(file);
  return best;
}

}  // namespace reviewkd
