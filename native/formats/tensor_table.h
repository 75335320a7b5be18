#pragma once
// The contents of a weight file before any tensor is created: names, types, shapes and byte ranges. Common to all
// formats and independent of libtorch.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "formats/element_type.h"
#include "formats/file_range.h"

namespace reviewkd {

using Metadata = std::map<std::string, std::string>;

enum class WeightsFormat { kSafetensors, kPyTorchZip, kPyTorchLegacy, kNumpyPickle };

/// "safetensors", "pytorch-zip", "pytorch-legacy" or "numpy-pickle".
const char* to_string(WeightsFormat format);

/// A tensor whose elements lie within one range of the file, which others may share.
struct StoredTensor {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
  size_t storage;                // index in the table
  int64_t offset;                // of the first element, in elements from the storage's start
};

/// How a network's tensors were found in a file.
struct Selection {
  /// The names of the dictionaries that led to them, joined with dots; empty if the file holds nothing else.
  std::string key;
  /// Prefixes removed from all names, for example "module.".
  std::vector<std::string> prefixes;
  /// Number of other tensors skipped: of an optimizer or a teacher, and counters.
  size_t left_aside = 0;
  /// Names of those among them that no network has, such as the counters of other tools.
  std::vector<std::string> counters;
};

/// A value of the file that is not read: an object of an unknown class, or a tensor of a type that no weight file holds.
struct UnreadValue {
  /// Of an entry of the state dict its name; otherwise the names of the dictionaries that lead to it, joined with dots.
  std::string name;
  /// The class or type, for messages.
  std::string type;
  /// Whether it stands where a tensor of the network would.
  bool is_entry;
};

struct TensorTable {
  WeightsFormat format = WeightsFormat::kSafetensors;
  Metadata metadata;
  std::vector<StoredTensor> tensors;
  std::vector<FileRange> storages;
  /// The source of the table itself, if it has a checksum.
  FileRange description{0, 0, 0};
  Selection selection;
  std::vector<UnreadValue> unread;
};

/// Number of elements of a shape that was checked for overflow.
uint64_t element_count(const std::vector<int64_t>& shape);

/// Strides, in elements, of a contiguous tensor.
std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape);

/// Keeps one network of a table and removes the prefixes of its names: "module." of data-parallel training,
/// "_orig_mod." of torch.compile, "model." of PyTorch Lightning, "student." of a distiller, whose teacher is skipped.
/// What torch.compile, sharding and checkpointing put around a part of the network is removed within names as well.
/// Optimizer state is skipped, too, and the counters of weight averaging (`n_averaged`) and of tools that count
/// operations (`total_ops`, `total_params`), and what modules keep in addition (`_extra_state`).
void keep_network(TensorTable& table);

/// Whether names begin with a key and a dot, with or without the wrappers that `keep_network` removes.
bool has_names_below(std::vector<std::string> names, const std::string& key);

/// Keeps the entries whose names begin so, and removes that beginning. False, and the table has all entries, if there
/// are none.
bool keep_below(TensorTable& table, const std::string& key);

/// The first parts of names with several, below the wrappers around all of them, each once: keys that keep_below takes.
/// At most a few.
std::vector<std::string> first_parts(const TensorTable& table);

/// Throws FILE_UNSUPPORTED if the tensors would take far more memory than the file's size: views can repeat elements.
void check_expansion(const TensorTable& table, const ByteSource& source);

}  // namespace reviewkd
