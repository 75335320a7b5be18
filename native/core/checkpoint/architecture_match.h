#pragma once
// Identifies the network of the registry that a file's tensors belong to.

#include <optional>
#include <string>

#include "core/base/options.h"
#include "core/models/entry_names.h"
#include "core/models/state_dict.h"
#include "formats/tensor_table.h"

namespace reviewkd {

struct ArchitectureMatch {
  std::string name;
  /// The number of classes of the file's classifier.
  int64_t num_classes;
  /// Number of tensors whose name and shape match the network's.
  size_t matching;
  /// Number of entries of the network, without counters of norms that the file lacks.
  size_t entries;
  StateDifferences differences;
  /// Number of the file's entries that may be the network's: under its prefix.
  size_t given;
  /// How the file's entries are named. Its other prefixes are also those of other networks that the file has as well.
  EntryFit fit;

  /// The Dice coefficient of the entries of the network and of the file.
  double similarity() const;
};

EntryShapes shapes_of(const TensorTable& table);
EntryShapes shapes_of(const torch::nn::Module& module);

/// A network with entries of these shapes, and a file.
ArchitectureMatch match_shapes(const std::string& name, int64_t num_classes, const EntryShapes& network,
                               const EntryShapes& file);

/// The network with the highest Dice coefficient of matching names and shapes, once prefixes are taken off and the names
/// of other libraries renamed; nullopt when no tensor matches any. Draws no random values.
std::optional<ArchitectureMatch> identify_model(FileEntries& file);

/// The same among the detectors of the kind that the file's names show, under its own names or the package's. options:
/// switches of that kind, and numClasses.
std::optional<ArchitectureMatch> identify_detector(const EntryShapes& file, const Options& options);

}  // namespace reviewkd
