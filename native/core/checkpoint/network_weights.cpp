#include "core/checkpoint/network_weights.h"

#include <algorithm>
#include <unordered_set>

#include "core/base/error.h"
#include "core/checkpoint/architecture_match.h"
#include "core/models/detection/detector_file.h"
#include "core/models/detection/weights/detector_weights.h"

namespace reviewkd {
namespace {

EntryShapes shapes_of(const NamedTensors& tensors) {
  EntryShapes shapes;
  for (const auto& [name, tensor] : tensors) shapes.emplace_back(name, tensor.sizes().vec());
  return shapes;
}

/// Refuses a file with networks under more than one prefix.
void refuse_several(const std::string& path, const std::vector<std::string>& prefixes) {
  if (prefixes.size() < 2) return;
  std::vector<std::string> keys;
  for (const auto& prefix : prefixes) {
    if (!prefix.empty()) keys.push_back(prefix.substr(0, prefix.size() - 1));
  }
  throw Error(ErrorCode::kFileUnsupported,
              "invalid weight file " + path + ": expected one network, received several" +
                  (keys.size() < prefixes.size() ? ", one with nothing before its names and others" : "") +
                  ", whose names begin with " + joined(keys) + ". Choose one of these with `key`.",
              keys);
}

void refuse_several(const std::string& path, const EntryFit& fit) {
  std::vector<std::string> prefixes = fit.other_prefixes;
  prefixes.insert(prefixes.begin(), fit.prefix);
  refuse_several(path, prefixes);
}

void refuse_difference(const std::string& path, const EntryFit& fit) {
  if (fit.difference.empty()) return;
  fail(ErrorCode::kFileUnsupported, "invalid weight file ", path, ": expected weights of this network, received ",
       fit.layout, ", which computes other outputs with the same weights: ", fit.difference,
       ". `strict: false` loads them as a beginning for training.");
}

/// The call that gives a tensor of this type as one that is read.
std::string_view conversion_of(std::string_view type) {
  if (type.find("qtensor") != std::string_view::npos) return "tensor.dequantize()";
  if (type.find("sparse") != std::string_view::npos) return "tensor.to_dense()";
  return "tensor.float() or array.astype(\"float32\")";
}

/// Refuses an entry of the network that the file has and that cannot be read.
void refuse_unread(const NamedTensors& target, const WeightsFile& file, const EntryFit& fit, const std::string& path) {
  std::unordered_set<std::string> wanted;
  for (const auto& [name, tensor] : target) wanted.insert(name);
  for (const auto& [name, type, is_entry] : file.unread) {
    if (!is_entry || !name.starts_with(fit.prefix) || !wanted.contains(name.substr(fit.prefix.size()))) continue;
    fail(ErrorCode::kFileUnsupported, "invalid entry ", name, " in ", path,
         ": expected floating point numbers, signed integers up to 64 bits, bytes or booleans, received ", type,
         ". In Python, ", conversion_of(type), " converts it.");
  }
}

/// A detector's names without what stands in front of them.
void take_detector(WeightsFile& file, const std::string& path) {
  const auto wrappers = wrappers_of(shapes_of(file.tensors));
  if (wrappers.empty()) return;
  if (!wrappers[0].empty()) {
    refuse_several(path, wrappers);
    file.selection.prefixes.push_back(wrappers[0]);
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (!is_behind(name, wrappers)) file.selection.counters.push_back(name);
  }
  file.tensors = without_wrapper(file.tensors);
}

}  // namespace

LoadReport load_weights(const NamedTensors& target, const WeightsFile& file, const std::string& path, bool strict) {
  const EntryShapes network = shapes_of(target);
  FileEntries entries(shapes_of(file.tensors));
  const EntryFit fit = entries.fit(network);
  refuse_several(path, fit);
  if (strict) refuse_difference(path, fit);
  refuse_unread(target, file, fit, path);
  std::vector<std::string> left_aside = file.selection.counters;
  LoadReport report = load_state_dict(target, with_names(fit, file.tensors, &left_aside), strict, "weights " + path);
  report.prefixes = file.selection.prefixes;
  if (!fit.prefix.empty()) report.prefixes.push_back(fit.prefix);
  report.layout = fit.layout;
  report.left_aside = std::move(left_aside);
  return report;
}

WeightsFile read_network_weights(const WeightsPath& path, const std::string& key) {
  WeightsFile file = read_weights(path, {.key = key, .network = true});
  FileEntries entries(shapes_of(file.tensors));
  if (detection::describe_file(entries.shapes()).kind) {
    take_detector(file, path.name);
    return file;
  }
  const auto match = identify_model(entries);
  if (!match || 2 * match->matching < match->entries) return file;
  refuse_several(path.name, match->fit);
  file.tensors = with_names(match->fit, file.tensors);
  return file;
}

}  // namespace reviewkd
