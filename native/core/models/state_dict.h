#pragma once
// Parameters and buffers by their published names, in PyTorch's order.

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reviewkd {

/// Names and tensors in order. Tensors share memory with the module.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Names and shapes of entries, without their values.
using EntryShapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// The last part of the name of a batch normalization's counter. Files of PyTorch before 0.4.1 have none.
constexpr std::string_view kNormCounter = "num_batches_tracked";
inline bool is_norm_counter(std::string_view name) { return name.ends_with(kNormCounter); }
/// The name of the running mean next to a counter; empty for another name.
std::string mean_of_counter(const std::string& name);
/// The name of the running variance likewise.
std::string variance_of_counter(const std::string& name);

/// The complete state of a module: of each submodule its parameters, then its buffers, then its children.
NamedTensors state_dict(const torch::nn::Module& module, const std::string& prefix = "");

/// A contiguous copy on the CPU that shares no memory with the module.
NamedTensors detached_copy(const NamedTensors& state);

/// Addresses and versions of tensors: detects whether values derived from them are outdated.
using StateVersion = std::vector<std::pair<const void*, uint32_t>>;
StateVersion version_of(const NamedTensors& state);

/// An entry whose shapes differ.
struct ShapeMismatch {
  std::string name;
  std::vector<int64_t> expected;
  std::vector<int64_t> got;
};

/// Names only in a network, only in a state dict, and in both with different shapes.
struct StateDifferences {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<ShapeMismatch> mismatched;
};

struct LoadReport : StateDifferences {
  /// Number of entries copied.
  size_t matched = 0;
  /// Of a file: prefixes taken off the names, outermost first, and whose names they are; empty for the registry's.
  std::vector<std::string> prefixes;
  std::string layout;
  /// Of a file: names of other tensors, such as counters of other tools.
  std::vector<std::string> left_aside;
};

/// Copies `source` into `target` by name, converting types. Counters of batch normalizations that `source` lacks are set
/// to 0, as PyTorch does for its files before 0.4.1. Strict: every other name must exist on both sides with the same
/// shape; otherwise throws STATE_DICT_MISMATCH, naming the first differences, before anything is changed. Not strict:
/// copies the entries that match, and throws if there are none although `source` has entries, since these belong to
/// another network.
/// `what`: the state dict in messages.
LoadReport load_state_dict(const NamedTensors& target, const NamedTensors& source, bool strict,
                           const std::string& what = "state dict");

}  // namespace reviewkd
