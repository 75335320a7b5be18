#include "core/models/entry_names.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "core/models/name_layouts.h"

namespace reviewkd {
namespace {

size_t count_without_counters(const EntryShapes& shapes) {
  return static_cast<size_t>(
      std::count_if(shapes.begin(), shapes.end(), [](const auto& entry) { return !is_norm_counter(entry.first); }));
}

/// Whether two shapes agree but for their first length, which of a classifier is the number of classes.
bool agree(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return a.size() == b.size() && (a.empty() || std::equal(a.begin() + 1, a.end(), b.begin() + 1));
}

/// Of the readings with the same prefix and layout.
struct Count {
  size_t matching = 0;
  size_t entries = 0;
};

/// The Dice coefficient of a network's entries and those under a prefix.
double similarity(const Count& count, size_t network) {
  return 2.0 * static_cast<double>(count.matching) / static_cast<double>(network + count.entries);
}

}  // namespace

const std::vector<FileEntries::Reading>& FileEntries::readings() {
  if (readings_) return *readings_;
  readings_.emplace();
  const auto& layouts = name_layouts();
  for (size_t entry = 0; entry < file_.size(); ++entry) {
    const std::string_view name = file_[entry].first;
    for (size_t begin = 0; begin < name.size();) {
      for (size_t layout = 0; layout < layouts.size(); ++layout) {
        if (auto own = layouts[layout].own(name.substr(begin)))
          readings_->push_back({entry, layout, name.substr(0, begin), std::move(*own)});
      }
      const size_t dot = name.find('.', begin);
      begin = dot == std::string_view::npos ? name.size() : dot + 1;
    }
  }
  return *readings_;
}

EntryFit FileEntries::fit(const EntryShapes& network) {
  std::unordered_map<std::string_view, const std::vector<int64_t>*> wanted;
  for (const auto& [name, shape] : network) wanted.emplace(name, &shape);
  const auto is_match = [&](const std::string& name, size_t entry) {
    const auto found = wanted.find(name);
    return found != wanted.end() && !is_norm_counter(name) && agree(*found->second, file_[entry].second);
  };
  EntryFit fit;
  const auto name_all = [&](const auto& name_of) {
    for (size_t i = 0; i < file_.size(); ++i) {
      std::optional<std::string> name = name_of(file_[i].first);
      // A number of its own is a counter or a metric; the networks' numbers are those of their norms.
      const bool is_number = name && file_[i].second.empty() && !wanted.contains(*name) && !is_norm_counter(*name);
      fit.names.push_back(is_number ? std::nullopt : std::move(name));
    }
  };

  const size_t entries = count_without_counters(network);
  size_t plain = 0;
  for (size_t i = 0; i < file_.size(); ++i) plain += is_match(file_[i].first, i);
  const auto as_stored = [](const std::string& name) { return std::optional(name); };
  if (plain >= entries || network.empty()) {
    name_all(as_stored);
    return fit;
  }

  std::map<std::pair<size_t, std::string_view>, Count> counts;
  for (const auto& reading : readings()) {
    Count& count = counts[{reading.layout, reading.prefix}];
    count.matching += is_match(reading.name, reading.entry);
    count.entries += !is_norm_counter(reading.name);
  }
  const std::pair<const std::pair<size_t, std::string_view>, Count>* best = nullptr;
  for (const auto& counted : counts) {
    const Count& count = counted.second;
    if (count.matching <= plain || 2 * count.matching < entries) continue;
    const bool is_better = best == nullptr || std::tuple(count.matching, similarity(count, entries)) >
                                                  std::tuple(best->second.matching, similarity(best->second, entries));
    if (is_better) best = &counted;
  }
  if (best == nullptr) {
    name_all(as_stored);
    return fit;
  }
  const auto& [layout, prefix] = best->first;
  const NameLayout& chosen = name_layouts()[layout];
  fit.prefix = prefix;
  fit.layout = chosen.title;
  fit.difference = chosen.difference;
  std::unordered_set<size_t> own;
  for (const auto& reading : readings()) {
    if (std::pair(reading.layout, reading.prefix) == best->first && is_match(reading.name, reading.entry))
      own.insert(reading.entry);
  }
  for (const auto& [key, count] : counts) {
    if (key.first != layout || key.second == prefix || count.matching != best->second.matching) continue;
    // Some layouts read an entry with and without a prefix.
    const bool has_own = std::any_of(readings().begin(), readings().end(), [&, &key = key](const Reading& reading) {
      return std::pair(reading.layout, reading.prefix) == key && own.contains(reading.entry) &&
             is_match(reading.name, reading.entry);
    });
    if (!has_own && count.entries == best->second.entries) fit.other_prefixes.emplace_back(key.second);
  }
  name_all([&](const std::string& name) -> std::optional<std::string> {
    if (!name.starts_with(prefix)) return std::nullopt;
    const auto own = chosen.own(std::string_view(name).substr(prefix.size()));
    return own ? own : name.substr(prefix.size());
  });
  return fit;
}

NamedTensors with_names(const EntryFit& fit, const NamedTensors& file, std::vector<std::string>* left_aside) {
  NamedTensors named;
  for (size_t i = 0; i < file.size(); ++i) {
    const auto& name = fit.names.at(i);
    if (name) {
      named.emplace_back(*name, file[i].second);
    } else if (left_aside != nullptr) {
      left_aside->push_back(file[i].first);
    }
  }
  return named;
}

}  // namespace reviewkd
