#include "core/models/entry_names.h"

#include <algorithm>
#include <map>
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

/// The convention of names with most of a network's entries, more than `plain` and at least half of them; nullptr
/// without one.
template <typename Counts>
const typename Counts::value_type* best_of(const Counts& counts, size_t plain, size_t network) {
  const typename Counts::value_type* best = nullptr;
  const auto rank = [&](const auto& count) { return std::tuple(count.matching, count.similarity(network)); };
  for (const auto& counted : counts) {
    const auto& count = counted.second;
    if (count.matching <= plain || 2 * count.matching < network) continue;
    if (best == nullptr || rank(count) > rank(best->second)) best = &counted;
  }
  return best;
}

std::vector<std::string> prefixes_of(const std::vector<std::pair<size_t, std::string_view>>& conventions) {
  std::vector<std::string> prefixes;
  for (const auto& [layout, prefix] : conventions) prefixes.emplace_back(prefix);
  return prefixes;
}

bool begins_with_any(std::string_view name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return name.starts_with(prefix); });
}

}  // namespace

/// Of the readings with the same convention.
struct FileEntries::Count {
  size_t matching = 0;
  size_t entries = 0;

  /// The Dice coefficient of a network's entries and those under a prefix.
  double similarity(size_t network) const {
    return 2.0 * static_cast<double>(matching) / static_cast<double>(network + entries);
  }
};

/// The entries of a network.
class FileEntries::Wanted {
 public:
  explicit Wanted(const EntryShapes& network) : count_(count_without_counters(network)) {
    for (const auto& [name, shape] : network) shapes_.emplace(name, &shape);
  }

  /// Without counters.
  size_t count() const { return count_; }

  bool has(std::string_view name) const { return shapes_.contains(name); }

  bool matches(std::string_view name, const std::vector<int64_t>& shape) const {
    const auto found = shapes_.find(name);
    return found != shapes_.end() && !is_norm_counter(name) && agree(*found->second, shape);
  }

 private:
  std::unordered_map<std::string_view, const std::vector<int64_t>*> shapes_;
  size_t count_;
};

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
  const Wanted wanted(network);
  EntryFit fit;
  const auto name_all = [&](const auto& name_of) {
    for (const auto& [stored, shape] : file_) {
      std::optional<std::string> name = name_of(stored);
      // A number of its own is a counter or a metric; the networks' numbers are those of their norms.
      const bool is_number = name && shape.empty() && !wanted.has(*name) && !is_norm_counter(*name);
      fit.names.push_back(is_number ? std::nullopt : std::move(name));
    }
  };

  const auto plain = static_cast<size_t>(std::count_if(
      file_.begin(), file_.end(), [&](const auto& entry) { return wanted.matches(entry.first, entry.second); }));
  const bool is_all = plain == wanted.count() && plain == count_without_counters(file_);
  const auto counts = is_all ? std::map<Convention, Count>() : count_readings(wanted);
  const auto* best = best_of(counts, plain, wanted.count());
  if (best == nullptr) {
    const bool is_half = 2 * plain >= wanted.count();
    const auto copies =
        is_half ? prefixes_of(alike(counts, {0, ""}, {plain, plain}, wanted)) : std::vector<std::string>();
    name_all(
        [&](const std::string& name) { return begins_with_any(name, copies) ? std::nullopt : std::optional(name); });
    return fit;
  }
  Convention chosen = best->first;
  auto alternatives = alike(counts, chosen, best->second, wanted);
  // Of a network with nothing before its names, the others are copies.
  const auto bare = std::find_if(alternatives.begin(), alternatives.end(),
                                 [](const Convention& convention) { return convention.second.empty(); });
  if (bare != alternatives.end()) std::swap(chosen, *bare);
  const auto& [layout, prefix] = chosen;
  const NameLayout& library = name_layouts()[layout];
  fit.prefix = prefix;
  fit.layout = library.title;
  fit.difference = library.difference;
  auto others = prefixes_of(alternatives);
  name_all([&](const std::string& name) -> std::optional<std::string> {
    if (!name.starts_with(fit.prefix) || (fit.prefix.empty() && begins_with_any(name, others))) return std::nullopt;
    const auto own = library.own(std::string_view(name).substr(fit.prefix.size()));
    return own ? own : name.substr(fit.prefix.size());
  });
  if (!fit.prefix.empty()) fit.other_prefixes = std::move(others);
  return fit;
}

std::map<FileEntries::Convention, FileEntries::Count> FileEntries::count_readings(const Wanted& wanted) {
  std::map<Convention, Count> counts;
  for (const auto& reading : readings()) {
    Count& count = counts[{reading.layout, reading.prefix}];
    count.matching += is_match(reading, wanted);
    count.entries += !is_norm_counter(reading.name);
  }
  return counts;
}

std::vector<FileEntries::Convention> FileEntries::alike(const std::map<Convention, Count>& counts,
                                                        const Convention& chosen, const Count& best,
                                                        const Wanted& wanted) {
  // A network in a larger one of its family has less.
  constexpr double kAlike = 0.9;
  std::vector<Convention> others;
  for (const auto& [convention, count] : counts) {
    const bool is_alike = count.matching == best.matching &&
                          (count.entries == best.entries || count.similarity(wanted.count()) >= kAlike);
    const auto has_prefix = [&, prefix = convention.second](const Convention& other) { return other.second == prefix; };
    if (!is_alike || has_prefix(chosen) || std::any_of(others.begin(), others.end(), has_prefix)) continue;
    if (!share_entries(convention, chosen, wanted)) others.push_back(convention);
  }
  return others;
}

bool FileEntries::is_match(const Reading& reading, const Wanted& wanted) const {
  return wanted.matches(reading.name, file_[reading.entry].second);
}

bool FileEntries::share_entries(const Convention& a, const Convention& b, const Wanted& wanted) {
  const auto is_of = [&](const Reading& reading, const Convention& convention) {
    return Convention(reading.layout, reading.prefix) == convention && is_match(reading, wanted);
  };
  std::unordered_set<size_t> entries;
  for (const auto& reading : readings()) {
    if (is_of(reading, a)) entries.insert(reading.entry);
  }
  return std::any_of(readings().begin(), readings().end(),
                     [&](const Reading& reading) { return is_of(reading, b) && entries.contains(reading.entry); });
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
