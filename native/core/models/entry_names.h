#pragma once
// Finds the entries of a network in a file whose names have something in front of them, such as the attribute of a
// wrapper, or follow another library.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/models/state_dict.h"

namespace reviewkd {

/// How a file's entries belong to a network.
struct EntryFit {
  /// In front of the names of all of the network's entries; empty if there is nothing.
  std::string prefix;
  /// NameLayout::title and difference; empty for the registry's own names.
  std::string layout;
  std::string difference;
  /// Other prefixes under which the file has such a network as well, of which none is meant more than another.
  std::vector<std::string> other_prefixes;
  /// For each entry of the file the network's name, or the stored one without prefix if the network has no such entry;
  /// nullopt for an entry that is none of the network's: outside the prefix, under that of a copy of a network without
  /// prefix, or a single number that no network has.
  std::vector<std::optional<std::string>> names;

  bool is_plain() const { return prefix.empty() && layout.empty(); }
};

/// The entries of a file.
class FileEntries {
 public:
  explicit FileEntries(EntryShapes file) : file_(std::move(file)) {}
  FileEntries(const FileEntries&) = delete;  // readings refer to the names
  FileEntries& operator=(const FileEntries&) = delete;
  ~FileEntries() = default;

  /// The prefix and layout under which most entries of the network are in the file, with their shapes but for the number
  /// of classes: at least half of them. No prefix and the registry's layout if another is not better.
  EntryFit fit(const EntryShapes& network);

  const EntryShapes& shapes() const { return file_; }

 private:
  /// A name that an entry may have in a network, if `prefix` is taken off.
  struct Reading {
    size_t entry;
    size_t layout;
    std::string_view prefix;
    std::string name;
  };

  struct Count;
  class Wanted;
  /// A layout and the prefix in front of its names.
  using Convention = std::pair<size_t, std::string_view>;

  const std::vector<Reading>& readings();
  std::map<Convention, Count> count_readings(const Wanted& wanted);
  /// The conventions with other prefixes under which there are as many of the network's entries, and few others.
  std::vector<Convention> alike(const std::map<Convention, Count>& counts, const Convention& chosen, const Count& best,
                                const Wanted& wanted);
  bool is_match(const Reading& reading, const Wanted& wanted) const;
  /// Whether an entry belongs to the network under both: some layouts read it with and without a prefix.
  bool share_entries(const Convention& a, const Convention& b, const Wanted& wanted);

  EntryShapes file_;
  std::optional<std::vector<Reading>> readings_;
};

/// The tensors that the fit names, under the network's names; `left_aside` receives the other names.
NamedTensors with_names(const EntryFit& fit, const NamedTensors& file, std::vector<std::string>* left_aside = nullptr);

}  // namespace reviewkd
