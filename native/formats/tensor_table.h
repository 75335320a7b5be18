#pragma once
// What a file of weights says of itself before a tensor is made: names, types, shapes, and which bytes they are. Common to
// all formats, and apart from libtorch.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "formats/element_type.h"

namespace reviewkd {

using Metadata = std::map<std::string, std::string>;

enum class WeightsFormat { kSafetensors, kPyTorchZip, kPyTorchLegacy };

/// "safetensors", "pytorch-zip" or "pytorch-legacy".
const char* to_string(WeightsFormat format);

/// Bytes of a file.
struct FileRange {
  uint64_t begin;
  uint64_t bytes;
  /// What they must sum up to; 0 where the file does not say.
  uint32_t crc32 = 0;
};

/// A tensor whose elements lie within one range of the file, which others may share.
struct StoredTensor {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
  size_t storage;                // index in the table
  int64_t offset;                // of the first element, in elements from the storage's start
};

/// How the tensors of a network were found in a file.
struct Selection {
  /// Names of the dictionaries that led to them, with dots between; empty where the file holds nothing else.
  std::string key;
  /// What every name began with and was taken off, "module." say.
  std::vector<std::string> prefixes;
  /// How many tensors beside them were left aside: of an optimizer, of a teacher.
  size_t left_aside = 0;
};

struct TensorTable {
  WeightsFormat format = WeightsFormat::kSafetensors;
  Metadata metadata;
  std::vector<StoredTensor> tensors;
  std::vector<FileRange> storages;
  /// What the table itself was read from, where it has a checksum.
  FileRange description{0, 0, 0};
  Selection selection;
};

/// Elements of a shape that was checked not to overflow.
uint64_t element_count(const std::vector<int64_t>& shape);

/// Steps in elements of a tensor that lies row by row.
std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape);

/// Keeps one network of a table and takes off what its names begin with: "module." of parallel training, "student." of a
/// distiller, whose teacher is left aside. The state of an optimizer is left aside, too.
void keep_network(TensorTable& table);

/// Throws FILE_UNSUPPORTED where the tensors would take far more memory than the file has bytes: views can repeat them.
void check_expansion(const TensorTable& table, const ByteSource& source);

}  // namespace reviewkd
